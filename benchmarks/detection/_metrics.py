"""How well a score finds labelled samples: VUS-PR by TSB-AD's definition, and simpler figures."""

import dataclasses

import numpy as np

from lamina_detect.results import area_under_roc, average_precision

THRESHOLDS = 250  # TSB-AD's
# Of the buffer's lengths from 0 to the longest one, evenly: with all of them a figure is up to .003
# higher (on made-up scores), for every method alike, and long series take minutes.
BUFFERS = 26
NEAR = 100  # samples: a peak so far from a label still names the place


@dataclasses.dataclass(frozen=True)
class Figures:
    """`off`: samples from the highest score to the nearest labelled one."""

    vus_pr: float
    roc: float
    ap: float
    off: int

    @property
    def near(self) -> bool:
        return self.off <= NEAR

    @classmethod
    def of(cls, y: np.ndarray, score: np.ndarray, buffer: int) -> "Figures":
        off = int(np.abs(np.flatnonzero(y) - np.argmax(score)).min())
        roc, ap = area_under_roc(y, score), average_precision(y, score)
        return cls(vus_pr(y, score, buffer), roc, ap, off)


def vus_pr(y: np.ndarray, score: np.ndarray, buffer: int, buffers: int | None = BUFFERS) -> float:
    """The volume under the surface of precision, recall and buffer (Paparrizos et al., VLDB 2022).

    As TSB-AD's `RangeAUC_volume_opt`. aeon's `range_pr_vus_score` is not the same: it takes
    trapezoids, starts from a precision of 1, and lets the samples of the buffer count whether they
    are found or not.

    Args:
        y: Which samples are anomalous.
        score: High where something is unusual.
        buffer: The longest buffer, in samples, around each labelled stretch.
        buffers: So many lengths of it; None: each.
    """
    surface = _Surface(y, score, buffer)
    count = buffer + 1 if buffers is None else min(buffers, buffer + 1)
    lengths = np.unique(np.linspace(0, buffer, count).astype(int))
    return float(np.mean([surface.area(int(length)) for length in lengths]))


def stretches(y: np.ndarray) -> list[tuple[int, int]]:
    """First and last sample of each labelled stretch."""
    change = np.diff(np.r_[0, y.astype(int), 0])
    first, after = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    return [(int(a), int(b) - 1) for a, b in zip(first, after, strict=True)]


class _Surface:
    """What the areas for all lengths of the buffer have in common."""

    def __init__(self, y: np.ndarray, score: np.ndarray, buffer: int) -> None:
        self.y, self.score, self.stretches = y.astype(bool), score, stretches(y)
        down = np.sort(-score)
        at = np.linspace(0, len(score) - 1, THRESHOLDS).astype(int)
        self.thresholds = -down[at]
        self.predicted = np.searchsorted(down, -self.thresholds, side="right")
        # Only samples in the longest buffer count as found, so the others are left out once.
        near = np.flatnonzero(_extended(self.y, self.stretches, buffer))
        self.near = near[np.argsort(-score[near], kind="stable")]
        self.above = np.searchsorted(-score[self.near], -self.thresholds, side="right")
        self.within = self.y[self.near]

    def area(self, length: int) -> float:
        """Under precision over recall, for one length of the buffer."""
        weight = _extended(self.y, self.stretches, length)[self.near]
        true = _totals(weight)[self.above]
        # The buffer counts as labelled where it is predicted.
        labelled = self.y.sum() + _totals(np.where(self.within, 0, weight))[self.above] / 2
        recall = np.minimum(true / labelled, 1) * self._found(length // 2)
        return float((np.diff(np.r_[0, recall]) * true / self.predicted).sum())

    def _found(self, half: int) -> np.ndarray:
        """The share of stretches, with their buffers, that hold a predicted sample."""
        last = len(self.y) - 1
        joined = [[max(self.stretches[0][0] - half, 0), self.stretches[0][1] + half]]
        for a, b in self.stretches[1:]:
            if joined[-1][1] < a - half:
                joined.append([a - half, b + half])
            joined[-1][1] = b + half
        highest = np.sort([self.score[a : min(b, last) + 1].max() for a, b in joined])
        return 1 - np.searchsorted(highest, self.thresholds, side="left") / len(joined)


def _extended(y: np.ndarray, stretches: list[tuple[int, int]], length: int) -> np.ndarray:
    """1 where labelled, falling to both sides over half of `length`."""
    weight, half, n = y.astype("float64"), length // 2, len(y)
    slope = np.sqrt(1 - np.arange(1, half + 1) / length) if half else np.zeros(0)
    for a, b in stretches:
        after = min(half, n - 1 - b)
        weight[b + 1 : b + 1 + after] += slope[:after]
        before = min(half, a)
        weight[a - before : a] += slope[:before][::-1]
    return np.minimum(weight, 1)


def _totals(x: np.ndarray) -> np.ndarray:
    """Of the first 0, 1, 2, ..."""
    return np.r_[0, np.cumsum(x)]
