"""Scores to events: stretches that stand out, each with its peak."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from lamina_detect._common import Scores
from lamina_detect.recordings import Read
from lamina_detect.results._summary import BlockMaxima, Summary

# Of the windows: with a window of half a second, an alarm in eight minutes of usual heartbeats.
FALSE_ALARMS = 1e-3
# So many of the highest peaks are events, whether they are alarms or not; and no more in all than
# people, and the report, can go through.
MIN_EVENTS, MAX_EVENTS = 10, 1000
# The tail's steepness is read between the median and this part of the highest: far enough out to be
# the tail, and with enough windows to be steady.
TAIL = 0.1


@dataclasses.dataclass(frozen=True)
class Event:
    """`start` to `end` (exclusive), in samples. `kind`: anomaly, gap, clipped or flat."""

    start: int
    end: int
    peak: int
    score: float
    lead: str
    kind: str = "anomaly"
    alarm: bool = False


def find_threshold(score: np.ndarray, window: int, rate: float = FALSE_ALARMS) -> float:
    """The score that a window exceeds with probability `rate` if it is like the others.

    The highest scores of blocks of one window are taken to have an exponential tail: what lies
    between their median and their 90th percentile gives its steepness. Anomalies shall not: the
    lower half of the blocks gives a first threshold, those below it the next one, until none is
    added. So a quarter of the blocks may be anomalous, if their scores stand apart.

    Args:
        score: `(length,)`, of all leads together.
        window: Of the detector.
        rate: False alarms per window.
    """
    maxima = BlockMaxima(window)
    maxima.add(np.asarray(score))
    maxima.close()
    return threshold_of(maxima, rate)


def threshold_of(maxima: BlockMaxima, rate: float = FALSE_ALARMS) -> float:
    """As `find_threshold`, of the highest scores."""
    heights = maxima.heights[: maxima.complete]
    heights = heights[np.isfinite(heights) & (heights > 0)]
    if not len(heights):
        return 0.0
    threshold, higher = -np.inf, float(np.median(heights))
    while higher > threshold:
        threshold = higher
        higher = _tail(heights[heights <= threshold], rate)
    return float(higher)


def _tail(heights: np.ndarray, rate: float) -> float:
    """What an exponential tail from the median on exceeds with probability `rate`."""
    middle, high = np.quantile(heights, [0.5, 1 - TAIL])
    return high + (high - middle) / np.log(0.5 / TAIL) * np.log(TAIL / rate)


def find_events(scores: Scores, window: int, threshold: float) -> list[Event]:
    """The events of `Scores`: anomalies by score, at least ten; gaps, clipped and flat ones."""
    summary = Summary(scores.leads, len(scores.values), window)
    summary.add(scores.samples, scores.values)
    return events_of(summary.close(), lambda start, stop: scores.values[start:stop], threshold)


def events_of(summary: Summary, read: Read, threshold: float) -> list[Event]:
    """As `find_events`, of a summary; `read(start, stop)` gives the scores of a stretch."""
    heights, peaks = _peaks(summary.maxima)
    highest = list(zip(peaks, heights, strict=True))[:MAX_EVENTS]
    chosen = [(p, h) for i, (p, h) in enumerate(highest) if i < MIN_EVENTS or h >= threshold]
    events = [_anomaly(summary, read, int(p), float(h), threshold) for p, h in chosen]
    return events + list(_conditions(summary))


def _anomaly(summary: Summary, read: Read, peak: int, height: float, threshold: float) -> Event:
    window = summary.window
    first, last = max(0, peak - window), min(summary.length, peak + window + 1)
    values = read(first, last)
    # Half of the threshold: hysteresis, so that a dip within an event does not end it.
    start, end = _extent(values[:, -1], peak - first, min(threshold, height) / 2)
    lead = summary.leads[_leading(values[peak - first, :-1])]
    return Event(first + start, first + end, peak, height, lead, alarm=height >= threshold)


def _peaks(maxima: BlockMaxima) -> tuple[np.ndarray, np.ndarray]:
    """Heights and places of peaks at least a window apart, the higher ones first served."""
    order = np.argsort(-maxima.heights, kind="stable")
    places, kept = maxima.places, np.zeros(len(order) + 2, bool)
    chosen = []
    for block in order:
        if maxima.heights[block] <= 0:
            break
        # `kept` is shifted by one: no border cases.
        before = kept[block] and places[block] - places[block - 1] < maxima.window
        after = kept[block + 2] and places[block + 1] - places[block] < maxima.window
        if not (before or after):
            kept[block + 1] = True
            chosen.append(block)
    return maxima.heights[chosen], places[chosen]


def _extent(score: np.ndarray, peak: int, level: float) -> tuple[int, int]:
    """Around the peak, as far as the score stays above `level`."""
    below = ~(score > level)
    before, after = np.flatnonzero(below[:peak]), np.flatnonzero(below[peak:])
    start = before[-1] + 1 if len(before) else 0
    end = peak + after[0] if len(after) else len(score)
    return int(start), int(max(end, peak + 1))


def _leading(values: np.ndarray) -> int:
    return int(np.argmax(np.nan_to_num(values, nan=-np.inf)))


def _conditions(summary: Summary) -> Iterator[Event]:
    """Gaps, and stretches of one value: clipped ones, and flat ones of at least a window."""
    for lead, name in enumerate(summary.leads):
        for start, end in summary.gaps[lead].found:
            yield Event(start, end, start, float("nan"), name, "gap")
        constant = summary.constant[lead]
        for run in constant.found:
            clipped = run.gated and run.value in (constant.low, constant.high)
            if clipped or run.end - run.start > summary.window:
                kind = "clipped" if clipped else "flat"
                peak = run.place if run.place >= 0 else run.start
                yield Event(run.start, run.end, peak, run.height, name, kind)
