"""Scores to events: stretches that stand out, each with its peak."""

import dataclasses

import numpy as np

from lamina_detect._survey import Highest, Survey

FALSE_ALARMS = 1e-3
AT_LEAST = 10
MOST = 1000
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


def find_threshold(score, window, rate=FALSE_ALARMS):
    """The score that a window exceeds with probability `rate` if it is like the others.

    The highest scores of blocks of one window are taken to have an exponential tail: what lies
    between their median and their 90th percentile tells its steepness. Anomalies shall not: the
    lower half of the blocks gives a first threshold, those below it the next one, until none is
    added. So a quarter of the blocks may be anomalous, if their scores stand apart.

    Args:
        score: `(length,)`, of all leads together.
        window: Of the detector.
        rate: False alarms a window.
    """
    highest = Highest(window)
    highest.add(np.asarray(score))
    highest.close()
    return threshold_of(highest, rate)


def threshold_of(highest, rate=FALSE_ALARMS):
    """As `find_threshold`, of the highest scores."""
    heights = highest.heights[: highest.whole]
    heights = heights[np.isfinite(heights) & (heights > 0)]
    if not len(heights):
        return 0.0
    threshold, higher = -np.inf, np.median(heights)
    while higher > threshold:
        threshold = higher
        higher = _tail(heights[heights <= threshold], rate)
    return float(higher)


def _tail(heights, rate):
    """What an exponential tail from the median on exceeds with probability `rate`."""
    middle, high = np.quantile(heights, [0.5, 1 - TAIL])
    return high + (high - middle) / np.log(0.5 / TAIL) * np.log(TAIL / rate)


def find_events(scores, window, threshold):
    """The events of `Scores`: anomalies by score, at least ten; gaps, clipped and flat ones."""
    survey = Survey(scores.leads, len(scores.values), window)
    survey.add(scores.samples, scores.values)
    return events_of(survey.close(), lambda start, stop: scores.values[start:stop], threshold)


def events_of(survey, read, threshold):
    """As `find_events`, of a survey; `read(start, stop)` gives the scores of a stretch."""
    heights, peaks = _peaks(survey.highest)
    chosen = [(p, h) for i, (p, h) in enumerate(zip(peaks, heights, strict=True)) if i < MOST]
    chosen = [(p, h) for i, (p, h) in enumerate(chosen) if i < AT_LEAST or h >= threshold]
    events = [_anomaly(survey, read, int(p), float(h), threshold) for p, h in chosen]
    return events + list(_conditions(survey))


def _anomaly(survey, read, peak, height, threshold):
    window = survey.window
    first, last = max(0, peak - window), min(survey.length, peak + window + 1)
    values = read(first, last)
    start, end = _extent(values[:, -1], peak - first, min(threshold, height) / 2)
    lead = survey.leads[_leading(values[peak - first, :-1])]
    return Event(first + start, first + end, peak, height, lead, alarm=height >= threshold)


def _peaks(highest):
    """Heights and places of peaks at least a window apart, the higher ones first served."""
    order = np.argsort(-highest.heights, kind="stable")
    places, kept = highest.places, np.zeros(len(order) + 2, bool)
    chosen = []
    for block in order:
        if highest.heights[block] <= 0:
            break
        # `kept` is shifted by one: no border cases.
        before = kept[block] and places[block] - places[block - 1] < highest.window
        after = kept[block + 2] and places[block + 1] - places[block] < highest.window
        if not (before or after):
            kept[block + 1] = True
            chosen.append(block)
    return highest.heights[chosen], places[chosen]


def _extent(score, peak, level):
    """Around the peak, as far as the score stays above `level`."""
    below = ~(score > level)
    before, after = np.flatnonzero(below[:peak]), np.flatnonzero(below[peak:])
    start = before[-1] + 1 if len(before) else 0
    end = peak + after[0] if len(after) else len(score)
    return int(start), int(max(end, peak + 1))


def _leading(values):
    return int(np.argmax(np.nan_to_num(values, nan=-np.inf)))


def _conditions(survey):
    """Gaps, and stretches that do not move: clipped ones, and flat ones of at least a window."""
    for lead, name in enumerate(survey.leads):
        for start, end in survey.gaps[lead].found:
            yield Event(start, end, start, float("nan"), name, "gap")
        still = survey.still[lead]
        for start, end, value, place, height, silent in still.found:
            clipped = silent and value in (still.low, still.high)
            if clipped or end - start > survey.window:
                kind = "clipped" if clipped else "flat"
                yield Event(start, end, place if place >= 0 else start, height, name, kind)
