"""Numenta's score of detections, in the standard profile of the Numenta Anomaly Benchmark.

Lavin and Ahmad, ICMLA 2015, and the `sweeper.py` that made the published figures: the first
detection in a window counts, the earlier the more; each one outside costs.
"""

from collections.abc import Iterable

import numpy as np

from benchmarks.detection._metrics import stretches

# Of a detection outside of every window; a window that is found, or missed, counts 1.
FALSE = 0.11
# So much of a file, of at most so many rows, may be learned from and is not judged.
PROBATION, LONGEST = 0.15, 5000
# A detection so many windows after the last one is as wrong as can be.
FAR = 3.0


def probation(length: int) -> int:
    """Rows that are not judged."""
    return int(PROBATION * min(length, LONGEST))


def sigmoid(place: float) -> float:
    """What a detection is worth: `place` is -1 at the window's left edge, 0 at its right one."""
    return -1.0 if place >= FAR else 2 / (1 + np.exp(5 * place)) - 1


def worth(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a detection at each row counts, and the number of its window, -1 without one."""
    value, window = np.full(len(y), -FALSE), np.full(len(y), -1)
    spans = stretches(y)
    for number, (first, last) in enumerate(spans):
        width = last - first + 1
        for row in range(first, last + 1):
            value[row] = sigmoid(-(last - row + 1) / width) / sigmoid(-1.0)
        window[first : last + 1] = number
        stop = spans[number + 1][0] if number + 1 < len(spans) else len(y)
        for row in range(last + 1, stop):
            value[row] = FALSE * sigmoid((row - last) / max(width - 1, 1))
    return value, window


def of_file(y: np.ndarray, detections: Iterable[int]) -> tuple[float, int]:
    """`(score, windows)` of the detections, rows, in one file."""
    value, window = worth(y)
    judged = probation(len(y))
    best = dict.fromkeys(np.unique(window[judged:][window[judged:] >= 0]).tolist(), -1.0)
    false = 0.0
    for row in detections:
        if row < judged:
            continue
        if window[row] < 0:
            false += value[row]
        else:
            best[window[row]] = max(best[window[row]], value[row])
    return false + sum(best.values()), len(best)


def normalised(found: Iterable[tuple[float, int]]) -> float:
    """Of all files: 100 is perfect, 0 is to detect nothing."""
    score, windows = np.sum(list(found), 0)
    return float(100 * (score + windows) / (2 * windows))
