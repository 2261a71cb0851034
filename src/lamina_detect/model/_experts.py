"""What the experts learn from one lead. NumPy: this runs once, on a sample of windows."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamina_detect.model._shapes import (
    Shapes,
    assign,
    kmeans,
    learn_shapes,
    principal_directions,
    visited,
    visits,
)
from lamina_detect.model._whitening import COVARIANCE_FROM, Whitening, learn_whitening

# The codebooks of whole windows are learned in so many coordinates, on so many windows, in so many
# passes: more changed nothing that matters.
COORDINATES, CODEBOOK_FROM, PASSES = 16, 12_000, 12
# A shape stands for at least so many windows on average.
WINDOWS_PER_SHAPE = 4
# The density is learned from so many windows.
DENSITY_FROM = 30_000
# Of the mean squared step: where nothing moves the logarithm needs a floor.
POWER_FLOOR = 1e-6
# The relation between leads is seen in so many samples of each. Noise is no relation: a variance of
# less than a thousandth of the largest is not one.
RELATION_SAMPLES, RELATION_FLOOR = 8, 1e-3


@dataclasses.dataclass(frozen=True)
class Signal:
    """A lead in pieces, standardised: `values` and where they are `there`."""

    values: Sequence[np.ndarray]
    there: Sequence[np.ndarray]

    def windows(self, window: int, every: int, most: int) -> tuple[np.ndarray, np.ndarray]:
        """At most `most` windows without gap, evenly spaced, of means of `every` samples; and the
        places where they end."""
        found, places, offset = [], [], 0
        for x, there in zip(self.values, self.there, strict=True):
            if len(x) >= window:
                gaps = np.cumsum(np.concatenate([[0], ~there]))
                ends = np.flatnonzero(gaps[window:] == gaps[:-window])
                found.append((np.lib.stride_tricks.sliding_window_view(x, window), ends))
                places.append(ends + offset)
            offset += len(x) + window + 1
        total = sum(len(ends) for _, ends in found)
        chosen = np.linspace(0, total - 1, min(most, total)).astype(int)
        parts, before = [], 0
        for view, ends in found:
            own = chosen[(chosen >= before) & (chosen < before + len(ends))] - before
            cut = view[ends[own]]
            parts.append(cut.reshape(len(cut), -1, every).mean(2) if every > 1 else cut)
            before += len(ends)
        if not total:
            return np.zeros((0, window // every), "float32"), np.zeros(0, int)
        return np.concatenate(parts).astype("float32"), np.concatenate(places)[chosen]


@dataclasses.dataclass(frozen=True)
class Learned:
    """Of one lead: shapes `(count, lags)`, as they are and without mean, and the rest."""

    raw: np.ndarray
    centred: np.ndarray
    whitening: Whitening
    density: Shapes
    power_floor: float
    power_usual: float


def learn_experts(signal: Signal, settings: Mapping[str, Any]) -> Learned:
    """From a lead's standardised signal."""
    window, every = settings["window"], settings["every"]
    rng = np.random.default_rng(settings["seed"])
    windows, at = signal.windows(window, every, CODEBOOK_FROM)
    nearest = settings["nearest"]
    least = settings["visits"]
    raw = learn_codebook(windows, at, nearest, window, rng, least)
    level = windows.mean(1, keepdims=True)
    centred = learn_codebook(windows - level, at, nearest, window, rng, least)
    half, _ = signal.windows(settings["half"], every, COVARIANCE_FROM)
    short, at = signal.windows(settings["density_window"], every, DENSITY_FROM)
    density = learn_shapes(short, settings["components"], settings["shapes"], rng, at // every)
    return Learned(
        raw,
        centred,
        learn_whitening(half, settings["directions"]),
        density,
        *_power(signal, window),
    )


def relation_lags(half: int) -> tuple[int, ...]:
    """The samples of a lead that are looked at together with those of the others."""
    return tuple(
        np.unique(
            np.linspace(0, half - 1, min(RELATION_SAMPLES, half)).round().astype(int)
        ).tolist()
    )


def learn_relation(signals: Sequence[Signal], settings: Mapping[str, Any]) -> Whitening | None:
    """How the leads vary together; None for a single one."""
    if len(signals) < 2:
        return None
    lags = relation_lags(settings["half"])
    longest = lags[-1] + 1
    rows = []
    for number in range(len(signals[0].values)):
        x = np.stack([signal.values[number] for signal in signals], 1)
        missing = ~np.all([signal.there[number] for signal in signals], axis=0)
        gaps = np.cumsum(np.concatenate([[0], missing]))
        ends = np.flatnonzero(gaps[longest:] == gaps[:-longest]) + lags[-1]
        rows.append([x, ends])
    total = sum(len(ends) for _, ends in rows)
    step = max(1, -(-total // COVARIANCE_FROM))
    windows = [np.concatenate([x[ends[::step] - lag] for lag in lags], 1) for x, ends in rows]
    return learn_whitening(np.concatenate(windows), settings["relation"], RELATION_FLOOR)


def learn_codebook(
    windows: np.ndarray,
    at: np.ndarray,
    count: int,
    window: int,
    rng: np.random.Generator,
    least: int,
) -> np.ndarray:
    """The shapes `(count, lags)`: means of like windows that came at least `least` times."""
    coordinates = principal_directions(windows, min(COORDINATES, windows.shape[1] - 1), level=True)
    z = (windows - windows.mean(0)) @ coordinates
    count = max(1, min(count, len(z) // WINDOWS_PER_SHAPE))
    nearest, _ = assign(z, kmeans(z, count, rng, PASSES))
    members = np.bincount(nearest, minlength=count)
    kept = visited(visits(nearest, at, count, window), members, least)
    order = np.argsort(nearest, kind="stable")
    starts = np.searchsorted(nearest[order], np.flatnonzero(members))
    sums = np.zeros((count, windows.shape[1]))
    sums[members > 0] = np.add.reduceat(windows[order].astype("float64"), starts, axis=0)
    return (sums[kept] / members[kept, None]).astype("float32")


def _power(signal: Signal, window: int) -> tuple[float, float]:
    """The floor, and the usual logarithm, of the mean squared step over a window."""
    steps = [np.diff(x, prepend=x[:1]).astype("float64") ** 2 for x in signal.values]
    floor = POWER_FLOOR * float(np.concatenate(steps).mean()) + 1e-12
    sums = [np.cumsum(np.concatenate([[0.0], s])) for s in steps]
    means = np.concatenate([(s[window:] - s[:-window]) / window for s in sums])
    return floor, float(np.median(np.log(np.maximum(means, 0) + floor)))
