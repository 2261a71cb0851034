"""From a recording to the settings and codebooks of its model."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamina_detect._common import BadInput
from lamina_detect.model._clipping import find_rails
from lamina_detect.model._period import find_period, rms_cycle
from lamina_detect.model._shapes import Shapes, learn_shapes
from lamina_detect.recordings import Recording, filled

# What the high-pass remembers of a step after 1.1 periods, at 0.6 cycles per period:
# exp(-2 pi 0.6 1.1), 1.6 %.
SETTLE_OF_PERIOD = 1.1
# Cycles of the root mean square frequency that stand for a period where nothing repeats: the
# window is then about six of them.
CYCLES_PER_PERIOD = 9
# Eight coordinates need as many samples; and at most a twentieth of a recording without a period,
# so that there are some windows to compare.
MIN_WINDOW, WINDOWS_PER_RECORDING = 8, 20
# The extreme value for a tenth of a period (at least 4 samples) is the amplifier's rail, not a
# rounded peak.
CLIPPED_OF_PERIOD, MIN_CLIPPED = 0.1, 4
# Up to a million samples are learned from in one piece; of a longer recording, pieces spread over
# it, so that fitting takes the same time and memory whatever the length.
PIECE, MOST_PIECES = 65_536, 16
# A lead's shapes are learned from at most so many windows.
MOST_WINDOWS = 100_000
# Without a period there are no phases to distinguish: few shapes, each seen this often. Chosen on
# machine_temperature, ec2_request_latency and nyc_taxi (docs/detection.md).
WINDOWS_PER_LEVEL_SHAPE = 15
# With fewer windows no direction is known.
MIN_WINDOWS, WINDOWS_PER_COMPONENT = 20, 2
# From quartile to quartile of a normal distribution, in standard deviations.
QUARTILES = 1.35


@dataclasses.dataclass(frozen=True)
class Scale:
    """In samples: the window that is looked at, and the period that filter and window follow.

    `level`: nothing repeats, so there is no rhythm below which all is wander: the level counts.
    """

    window: int
    period: float
    level: bool


def fitting_pieces(recording: Recording) -> list[np.ndarray]:
    """The whole recording as one piece; of a long one, pieces spread evenly over it."""
    if recording.length <= MOST_PIECES * PIECE:
        return [recording.read(0, recording.length)]
    starts = np.linspace(0, recording.length - PIECE, MOST_PIECES).astype(int)
    return [recording.read(int(s), int(s) + PIECE) for s in starts]


def check_samples(recording: Recording, pieces: Sequence[np.ndarray]) -> None:
    """BadInput unless every lead has something to learn from."""
    everything = np.concatenate(pieces)
    for lead, x in zip(recording.leads, everything.T, strict=True):
        there = x[np.isfinite(x)]
        if not len(there):
            raise BadInput(f"{recording.name}: {lead} has no valid sample")
        if there.min() == there.max():
            raise BadInput(f"{recording.name}: {lead} is constant: {there[0]:g} everywhere")


def find_scale(
    recording: Recording,
    pieces: Sequence[np.ndarray],
    window: int | None,
    window_of_period: float,
) -> Scale:
    """From the data, unless `window` is given."""
    found, cycles = [], []
    for x in np.concatenate(pieces).T:
        x = filled(x)
        found.append(find_period(x))
        cycles.append(rms_cycle(x))
    known = [p for p in found if p]
    period = float(np.median(known)) if known else CYCLES_PER_PERIOD * float(np.median(cycles))
    if window is None:
        window = max(MIN_WINDOW, round(window_of_period * period))
        most = max(MIN_WINDOW, recording.length // WINDOWS_PER_RECORDING)
        window = window if known else min(window, most)
    else:
        period = window / window_of_period
    if recording.length < 2 * window:
        raise BadInput(
            f"{recording.name}: {recording.length} samples are too few to learn from: "
            f"shorter than two windows of {window} samples"
        )
    return Scale(window, max(period, window / window_of_period), not known)


def centre_and_scale(pieces: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Median and ordinary spread of each lead."""
    everything = np.concatenate(pieces)
    everything = np.where(np.isfinite(everything), everything, np.nan)
    low, middle, high = np.nanquantile(everything, [0.25, 0.5, 0.75], axis=0)
    # By the quartiles, which anomalies do not move; where half of the samples are equal they are
    # 0 apart.
    spread = np.nanstd(everything, axis=0)
    return middle, np.where(high > low, (high - low) / QUARTILES, spread)


def rails_of(pieces: Sequence[np.ndarray], period: float) -> np.ndarray:
    """`(leads, 2)`: the values at which each lead is clipped."""
    run = max(MIN_CLIPPED, round(CLIPPED_OF_PERIOD * period))
    return np.array([find_rails(filled(x), run) for x in np.concatenate(pieces).T])


def learn(
    recording: Recording,
    filtered: Sequence[np.ndarray],
    factors: Sequence[np.ndarray],
    settings: Mapping[str, Any],
) -> list[Shapes]:
    """A codebook per lead, of the windows without gap.

    `filtered` and `factors` are pieces `(samples, leads)`: what the windows are cut from, and the
    factor of `ScoreGate`.
    """
    window, components, level = settings["window"], settings["components"], settings["level"]
    rng = np.random.default_rng(settings["seed"])
    shapes = settings["shapes"]
    if level:
        side_by_side = sum(map(len, filtered)) // window
        shapes = min(shapes, max(1, side_by_side // WINDOWS_PER_LEVEL_SHAPE))
    codebooks = []
    for lead, name in enumerate(recording.leads):
        signals = [piece[:, lead] for piece in filtered]
        usable = [~np.isnan(factor[:, lead]) for factor in factors]
        windows = _windows(
            signals, usable, window, rng, max(WINDOWS_PER_COMPONENT * components, MIN_WINDOWS)
        )
        if windows is None:
            raise BadInput(
                f"{recording.name}: {name} has too few windows of {window} "
                "samples without gaps to learn from"
            )
        codebooks.append(learn_shapes(windows, components, shapes, rng, level))
    return codebooks


def _windows(
    signals: Sequence[np.ndarray],
    usable: Sequence[np.ndarray],
    window: int,
    rng: np.random.Generator,
    least: int,
) -> np.ndarray | None:
    """At most `MOST_WINDOWS` of the usable windows, drawn from all pieces; None if too few."""
    long = [
        (x, ok[window - 1 :]) for x, ok in zip(signals, usable, strict=True) if len(x) >= window
    ]
    views = [np.lib.stride_tricks.sliding_window_view(x, window) for x, _ in long]
    places = np.flatnonzero(np.concatenate([ok for _, ok in long]))
    if len(places) < least:
        return None
    some = np.sort(rng.choice(places, min(MOST_WINDOWS, len(places)), replace=False))
    bounds = np.cumsum([0, *map(len, views)])
    return np.concatenate(
        [
            view[some[(some >= start) & (some < stop)] - start]
            for view, start, stop in zip(views, bounds[:-1], bounds[1:], strict=True)
        ]
    )
