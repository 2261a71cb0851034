"""Alarms of a score, and how many of them are right."""

import dataclasses

import numpy as np

from benchmarks.detection._metrics import stretches
from lamina_detect import Scores, find_events
from lamina_detect.live._alarms import AlarmRule, rule_for
from lamina_detect.results import BlockMaxima, alarm_threshold, causal_threshold, tail_of

# The rule by which every method's -log p is judged alike: false alarms per window, a floor that no
# quiet baseline reaches, and the windows within which two peaks are one alarm.
RATE, FLOOR, JOINED = 0.02, 3.0, 8.0
TAIL = 0.1

Alarm = tuple[int, int]
"""First and last sample, or peak."""


@dataclasses.dataclass(frozen=True)
class Count:
    """Of one series. `windows`: of the unlabelled samples, in the peers' windows."""

    alarms: int
    false: int
    windows: float
    found: int
    events: int


def by_rate(score: np.ndarray, window: int, train: int, highest: bool = False) -> list[Alarm]:
    """Alarms above the threshold that the tail of a -log p gives for `RATE`, after `train`.

    `highest`: the highest peak is always an alarm if it reaches the floor. That assumes an event.
    """
    threshold, score = _threshold(block_maxima(score, window), RATE), score[train:]
    if highest:
        threshold = min(threshold, float(score.max()))
    threshold = max(FLOOR, threshold)
    return joined(score, peaks(score, window, threshold), window, threshold)


def by_rate_or_highest(score: np.ndarray, window: int, train: int) -> list[Alarm]:
    return by_rate(score, window, train, highest=True)


def by_lamina(score: np.ndarray, window: int, train: int, live: bool = False) -> list[Alarm]:
    """The product's own: its threshold, of a recording or of a live signal, and `find_events`."""
    maxima = BlockMaxima(window)
    maxima.add(score)
    maxima.close()
    threshold = causal_threshold(maxima) if live else alarm_threshold(maxima)
    score = score[train:]
    nothing = np.arange(len(score), dtype="float32")[:, None]  # no gap, nothing flat
    both = np.c_[score, score]
    events = find_events(Scores(both, nothing, ("score",), both), window, threshold)
    return sorted((e.start, e.end - 1) for e in events if e.kind == "anomaly" and e.alarm)


def by_watch(score: np.ndarray, window: int, train: int) -> list[Alarm]:
    """Those of `lamina watch`, with a detector that `lamina detect` has made of all of it."""
    maxima = BlockMaxima(window)
    maxima.add(score)
    maxima.close()
    rule = rule_for(causal_threshold(maxima), tail_of(maxima), window, ("score",))
    return watched(score[train:], rule)


def watched(score: np.ndarray, rule: AlarmRule) -> list[Alarm]:
    """The alarms of a rule, the last one also if it has not ended."""
    changes = rule.add(0, np.stack([score, score], 1), [None] * len(score))
    found = [change.alarm for change in changes if change.ended]
    found += [] if rule.open is None else [rule.open]
    return [(a.start, (len(score) if a.end is None else a.end) - 1) for a in found]


def block_maxima(score: np.ndarray, window: int) -> np.ndarray:
    count = len(score) // window
    return score[: count * window].reshape(count, window).max(1)


def _threshold(heights: np.ndarray, rate: float) -> float:
    """An exponential tail from the median and the 90th percentile; what lies above it is left out
    and the tail is read again, until nothing is added."""
    threshold, higher = -np.inf, float(np.median(heights))
    while higher > threshold:
        threshold = higher
        middle, high = np.quantile(heights[heights <= threshold], [0.5, 1 - TAIL])
        higher = high + (high - middle) / np.log(0.5 / TAIL) * np.log(TAIL / rate)
    return float(threshold)


def peaks(score: np.ndarray, window: int, threshold: float) -> list[int]:
    """Places of peaks from `threshold` on, a window apart, the higher ones first."""
    count = -(-len(score) // window)
    blocks = np.pad(score, (0, count * window - len(score)), constant_values=-np.inf)
    places = blocks.reshape(count, window).argmax(1) + np.arange(count) * window
    chosen: dict[int, int] = {}
    for block in np.argsort(-score[places], kind="stable"):
        place = int(places[block])
        if score[place] < threshold:
            break
        beside = (chosen.get(block - 1, place - window), chosen.get(block + 1, place + window))
        if all(abs(place - other) >= window for other in beside):
            chosen[block] = place
    return sorted(chosen.values())


def joined(score: np.ndarray, found: list[int], window: int, threshold: float) -> list[Alarm]:
    """Peaks near each other, or with nothing below half of the threshold between them, are one."""
    low = np.r_[0, np.cumsum(score < threshold / 2)]
    alarms: list[Alarm] = []
    for place in found:
        if alarms:
            first, last = alarms[-1]
            if place - last <= JOINED * window or low[place] == low[last]:
                alarms[-1] = (first, place)
                continue
        alarms.append((place, place))
    return alarms


def judged(alarms: list[Alarm], y: np.ndarray, window: int) -> Count:
    """An alarm is right within half a window of a labelled stretch."""
    events, near = stretches(y), window // 2
    found, false = set(), 0
    for first, last in alarms:
        hit = {i for i, (a, b) in enumerate(events) if a - near <= last and b + near >= first}
        found |= hit
        false += not hit
    return Count(len(alarms), false, float((~y).sum() / window), len(found), len(events))
