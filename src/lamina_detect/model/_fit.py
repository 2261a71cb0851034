"""From a recording to the settings and codebooks of its model."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamina_detect._common import BadInput
from lamina_detect.model._clipping import find_rails
from lamina_detect.model._experts import Signal
from lamina_detect.model._period import find_period, rms_cycle
from lamina_detect.model._shapes import Shapes, learn_shapes
from lamina_detect.recordings import Recording, filled

# What the high-pass remembers of a step after 1.1 periods, at 0.6 cycles per period:
# exp(-2 pi 0.6 1.1), 1.6 %.
SETTLE_OF_PERIOD = 1.1
# Cycles of the root mean square frequency that stand for a period where nothing repeats: the
# window is then about six of them.
CYCLES_PER_PERIOD = 9
# Eight coordinates need as many samples; and a recording holds at least so many windows, so that
# there are some to compare.
MIN_WINDOW, WINDOWS_PER_RECORDING = 8, 6
# Of a training part by itself: the window is known from elsewhere.
WINDOWS_PER_TRAINING = 4
# Below this a period is a few samples, and from so many periods on the shapes of a rhythm are known
# well enough for the density alone (docs/detection.md).
MIN_RHYTHM_PERIOD, RHYTHM_PERIODS = 16, 1000
# A window of more lags than this is looked at in means of several samples, and a codebook of whole
# windows holds at most so many values: what two cores can do half a million times a second.
MOST_LAGS, CODEBOOK_VALUES = 192, 64_000
# Whole windows need more shapes than their leading coordinates.
MORE_SHAPES = 2.5
# Leading directions of the windows whose variance is learned one by one.
DIRECTIONS = 32
# The extreme value for a tenth of a period (at least 4 samples) is the amplifier's rail, not a
# rounded peak.
CLIPPED_OF_PERIOD, MIN_CLIPPED = 0.1, 4
# Up to a million samples are learned from in one piece; of a longer recording, pieces spread over
# it, so that fitting takes the same time and memory whatever the length.
PIECE, MOST_PIECES = 65_536, 16
MOST_LEARNED = MOST_PIECES * PIECE
# A lead's shapes are learned from at most so many windows.
MOST_WINDOWS = 100_000
# With fewer windows no direction is known.
MIN_WINDOWS, WINDOWS_PER_COMPONENT = 20, 2
# From quartile to quartile of a normal distribution, in standard deviations.
QUARTILES = 1.35


@dataclasses.dataclass(frozen=True)
class Scale:
    """In samples: the window that is looked at, the period that filter and windows follow, and the
    longest window that the recordings have room for.

    `rhythm`: a clear period came so often that the density alone judges.
    """

    window: int
    period: float
    rhythm: bool
    longest: int


def fitting_pieces(recording: Recording) -> list[np.ndarray]:
    """The whole recording as one piece; of a long one, pieces spread evenly over it."""
    if recording.length <= MOST_LEARNED:
        return [recording.read(0, recording.length)]
    starts = np.linspace(0, recording.length - PIECE, MOST_PIECES).astype(int)
    return [recording.read(int(s), int(s) + PIECE) for s in starts]


def find_used(
    recording: Recording, pieces: Sequence[np.ndarray], to_score: Sequence[np.ndarray] | None = None
) -> list[int]:
    """The leads that change, or else those that change in `to_score`.

    BadInput if one has no sample, or none changes.
    """
    everything = np.concatenate(pieces)
    for lead, x in zip(recording.leads, everything.T, strict=True):
        if not np.isfinite(x).any():
            raise BadInput(f"{recording.name}: {lead} has no valid sample")
    used = _changing(everything)
    if not used and to_score is not None:
        # Whatever leaves the constant is what is sought.
        used = _changing(np.concatenate(to_score))
    if not used:
        names = ", ".join(recording.leads)
        value = everything[np.isfinite(everything)][0]
        raise BadInput(f"{recording.name}: {names} is constant: {value:g} everywhere")
    return used


def _changing(samples: np.ndarray) -> list[int]:
    there = [x[np.isfinite(x)] for x in samples.T]
    return [number for number, x in enumerate(there) if len(x) and x.min() < x.max()]


def find_scale(
    recording: Recording,
    pieces: Sequence[np.ndarray],
    window: int | None,
    window_of_period: float,
    to_score: int | None = None,
) -> Scale:
    """From the data, unless `window` is given.

    `pieces` are of what is scored, and `to_score` is its length, if that is another recording.
    """
    found, cycles = [], []
    for x in np.concatenate(pieces).T:
        x = filled(x)
        found.append(find_period(x))
        cycles.append(rms_cycle(x))
    known = [p for p in found if p]
    period = float(np.median(known)) if known else CYCLES_PER_PERIOD * float(np.median(cycles))
    rhythm = bool(known) and period >= MIN_RHYTHM_PERIOD
    rhythm = rhythm and recording.length >= RHYTHM_PERIODS * period
    part = window_of_period if rhythm else 1.0
    longest = (to_score or recording.length) // WINDOWS_PER_RECORDING
    if to_score:
        longest = min(longest, recording.length // WINDOWS_PER_TRAINING)
    longest = max(MIN_WINDOW, longest)
    if window is None:
        window = max(MIN_WINDOW, round(part * period))
        window = window if rhythm else min(window, longest)
    else:
        period = window / part
    if recording.length < 2 * window:
        raise BadInput(
            f"{recording.name}: {recording.length} samples are too few to learn from: "
            f"shorter than two windows of {window} samples"
        )
    return Scale(window, max(period, window / part), rhythm, longest)


def windows_of(scale: Scale, window_of_period: float) -> dict[str, int]:
    """The windows of the experts: `window`, `half`, `density_window`, in steps of `every`."""
    every = -(-scale.window // MOST_LAGS)

    def of(part: float) -> int:
        samples = min(max(MIN_WINDOW, round(part * scale.period)), scale.longest, scale.window)
        return every * max(1, samples // every)

    return {
        "window": every * (scale.window // every),
        "half": of(0.5),
        "density_window": of(window_of_period),
        "every": every,
    }


def halves(pieces: Sequence[np.ndarray]) -> list[Sequence[np.ndarray]]:
    """The pieces in two parts; a single one is cut in the middle."""
    if len(pieces) == 1:
        return [[part] for part in np.array_split(pieces[0], 2)]
    return [pieces[: len(pieces) // 2], pieces[len(pieces) // 2 :]]


def centre_and_scale(
    pieces: Sequence[np.ndarray], to_score: Sequence[np.ndarray] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Median and ordinary spread of each lead; that of `to_score` where `pieces` have none."""
    everything = np.concatenate(pieces)
    everything = np.where(np.isfinite(everything), everything, np.nan)
    low, middle, high = np.nanquantile(everything, [0.25, 0.5, 0.75], axis=0)
    # By the quartiles, which anomalies do not move; where half of the samples are equal they are
    # 0 apart.
    spread = np.nanstd(everything, axis=0)
    if to_score is not None:
        spread = np.where(spread > 0, spread, centre_and_scale(to_score)[1])
    return middle, np.where(high > low, (high - low) / QUARTILES, spread)


def rails_of(pieces: Sequence[np.ndarray], period: float) -> np.ndarray:
    """`(leads, 2)`: the values at which each lead is clipped."""
    run = max(MIN_CLIPPED, round(CLIPPED_OF_PERIOD * period))
    return np.array([find_rails(filled(x), run) for x in np.concatenate(pieces).T])


def signals_of(pieces: Sequence[np.ndarray]) -> list[Signal]:
    """Each lead of the standardised `pieces`."""
    signals = []
    for own in zip(*(piece.T for piece in pieces), strict=True):
        there = [np.isfinite(x) for x in own]
        signals.append(
            Signal([np.where(ok, x, 0) for x, ok in zip(own, there, strict=True)], there)
        )
    return signals


def lacks_windows(signals: Sequence[Signal], settings: Mapping[str, Any]) -> str | None:
    """The name of a lead with too few windows to learn from, if there is one."""
    least = max(WINDOWS_PER_COMPONENT * settings["components"], MIN_WINDOWS)
    for name, signal in zip(settings["leads"], signals, strict=True):
        if len(signal.windows(settings["window"], settings["every"], least)[1]) < least:
            return name
    return None


def too_few(recording: Recording, lead: str, window: int) -> str:
    return (
        f"{recording.name}: {lead} has too few windows of {window} samples without gaps to learn "
        "from"
    )


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
    window, components, shapes = settings["window"], settings["components"], settings["shapes"]
    rng = np.random.default_rng(settings["seed"])
    codebooks = []
    for lead, name in enumerate(settings["leads"]):
        signals = [piece[:, lead] for piece in filtered]
        usable = [~np.isnan(factor[:, lead]) for factor in factors]
        windows = _windows(
            signals, usable, window, rng, max(WINDOWS_PER_COMPONENT * components, MIN_WINDOWS)
        )
        if windows is None:
            raise BadInput(too_few(recording, name, window))
        codebooks.append(learn_shapes(windows, components, shapes, rng))
    return codebooks


class _Windows:
    """Windows `(count, window)` of several pieces, cut when they are asked for: all of them would
    be a hundred times the signal."""

    def __init__(self, views: Sequence[np.ndarray], places: np.ndarray) -> None:
        self.views, self.places = views, places
        self.bounds = np.cumsum([0, *map(len, views)])
        self.shape = (len(places), views[0].shape[1])

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        places = self.places[rows]
        cut = np.empty((len(places), self.shape[1]), self.views[0].dtype)
        for view, start, stop in zip(self.views, self.bounds[:-1], self.bounds[1:], strict=True):
            own = (places >= start) & (places < stop)
            cut[own] = view[places[own] - start]
        return cut


def _windows(
    signals: Sequence[np.ndarray],
    usable: Sequence[np.ndarray],
    window: int,
    rng: np.random.Generator,
    least: int,
) -> _Windows | None:
    """At most `MOST_WINDOWS` of the usable windows, drawn from all pieces; None if too few."""
    long = [
        (x, ok[window - 1 :]) for x, ok in zip(signals, usable, strict=True) if len(x) >= window
    ]
    places = np.flatnonzero(np.concatenate([ok for _, ok in long]))
    if len(places) < least:
        return None
    some = np.sort(rng.choice(places, min(MOST_WINDOWS, len(places)), replace=False))
    return _Windows([np.lib.stride_tricks.sliding_window_view(x, window) for x, _ in long], some)
