"""Scores to events: stretches that stand out, each with its peak."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from lamina_detect._common import Nearest, Scores
from lamina_detect.recordings import Read
from lamina_detect.results._false_alarms import FALSE_ALARMS
from lamina_detect.results._summary import BlockMaxima, Summary

# A score of 3, a probability of 1 in 20 by the mean of the experts, is never an alarm below it.
FLOOR = 3.0
# With ten windows the steepness of the tail would be that of one or two: no rate can be stated.
MIN_WINDOWS = 11
# Alarms so few windows apart are one, if they are of one event.
JOINED = 8
# But no alarm lasts longer: where half of the windows are unusual, all would be one.
LONGEST = 32
# So many of the highest peaks are events, whether they are alarms or not; and no more in all than
# people, and the report, can go through.
MIN_EVENTS, MAX_EVENTS = 10, 1000
# The tail's steepness is read between the median and this part of the highest: far enough out to be
# the tail, and with enough windows to be steady.
TAIL = 0.1
# One window in so many: the tail reaches as far as one likes, what it says there means nothing.
RAREST = 1e9


@dataclasses.dataclass(frozen=True)
class Event:
    """`start` to `end` (exclusive), in samples. `kind`: anomaly, gap, clipped or flat.

    `one_in`: one window in so many scores as high. `expert`: which one found it most unusual.
    `nearest`: the usual shape that is nearest to it, of each lead; None if it was not looked for.
    """

    start: int
    end: int
    peak: int
    score: float
    lead: str
    kind: str = "anomaly"
    alarm: bool = False
    one_in: float = float("nan")
    expert: str = ""
    nearest: Nearest | None = None


@dataclasses.dataclass(frozen=True)
class Tail:
    """How high usual windows score: an exponential tail from the `middle`, their median, on.

    `high` is exceeded by a part `TAIL` of them. `windows`: how many it was learned from.
    """

    middle: float
    high: float
    windows: int

    def exceeded(self, rate: float) -> float:
        """The score that a window exceeds with probability `rate`."""
        return float(
            self.high + (self.high - self.middle) / np.log(0.5 / TAIL) * np.log(TAIL / rate)
        )

    def end_of(self, threshold: float) -> float:
        """An event of at least `threshold` lasts until the score falls to this.

        Half of it: hysteresis, so that a dip within an event does not end it. Where usual windows
        score higher than that, as those of a density do, no event would ever end: then it is half
        the way from them to the threshold.
        """
        if threshold / 2 < self.middle < threshold:
            return (self.middle + threshold) / 2
        return threshold / 2

    def one_in(self, score: float) -> float:
        """One usual window in so many scores at least so high."""
        steep = max(self.high - self.middle, 1e-9) / np.log(0.5 / TAIL)
        beyond = min((score - self.high) / steep, np.log(RAREST))
        return float(np.clip(np.exp(beyond) / TAIL, 1.0, RAREST))


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
    return tail_of(maxima, rate).exceeded(rate)


def tail_of(maxima: BlockMaxima, rate: float = FALSE_ALARMS) -> Tail:
    """The tail of the usual ones among the highest scores of the windows."""
    heights = maxima.heights[: maxima.complete]
    heights = heights[np.isfinite(heights) & (heights > 0)]
    if not len(heights):
        return Tail(0.0, 0.0, 0)
    tail, threshold, higher = Tail(0.0, 0.0, 0), -np.inf, float(np.median(heights))
    while higher > threshold:
        threshold = higher
        usual = heights[heights <= threshold]
        middle, high = np.quantile(usual, [0.5, 1 - TAIL]).tolist()
        tail = Tail(middle, high, len(heights))
        higher = tail.exceeded(rate)
    return tail


def alarm_threshold(maxima: BlockMaxima, rate: float = FALSE_ALARMS) -> float:
    """From where on an event of this recording is an alarm; infinite with too few windows.

    The score of that rate, but never below `FLOOR`; and the highest event is one if it reaches the
    floor, since whoever asks for a recording's events wants to see one.
    """
    tail = tail_of(maxima, rate)
    if tail.windows < MIN_WINDOWS:
        return float("inf")
    return max(FLOOR, min(tail.exceeded(rate), float(maxima.heights.max(initial=0.0))))


def causal_threshold(maxima: BlockMaxima, rate: float = FALSE_ALARMS) -> float:
    """From where on a sample is an alarm as it comes; infinite with too few windows."""
    return causal_threshold_of(tail_of(maxima, rate), rate)


def causal_threshold_of(tail: Tail, rate: float) -> float:
    """As `causal_threshold`, of a tail."""
    return max(FLOOR, tail.exceeded(rate)) if tail.windows >= MIN_WINDOWS else float("inf")


def find_events(scores: Scores, window: int, threshold: float) -> list[Event]:
    """The events of `Scores`: anomalies by score, at least ten; gaps, clipped and flat ones."""
    summary = Summary(scores.leads, len(scores.values), window)
    summary.add(scores.samples, scores.values)
    return events_of(summary.close(), lambda start, stop: scores.values[start:stop], threshold)


def events_of(summary: Summary, read: Read, threshold: float) -> list[Event]:
    """As `find_events`, of a summary; `read(start, stop)` gives the scores of a stretch."""
    heights, peaks = highest_peaks(summary.maxima)
    highest = list(zip(peaks.tolist(), heights.tolist(), strict=True))
    alarms = [(p, h) for p, h in highest if h >= threshold]
    others = [(p, h) for p, h in highest[:MIN_EVENTS] if h < threshold]
    tail = tail_of(summary.maxima)
    events = [
        _anomaly(summary, read, group, threshold, tail)
        for group in [*_joined(alarms, summary.maxima, threshold, tail), *([one] for one in others)]
    ]
    events.sort(key=lambda event: -event.score)
    return events + list(_conditions(summary))


def _joined(
    peaks: Sequence[tuple[int, float]], maxima: BlockMaxima, threshold: float, tail: Tail
) -> list[list[tuple[int, float]]]:
    """Alarms of one event: few windows apart, or no window between them as low as its end."""
    groups: list[list[tuple[int, float]]] = []
    window = maxima.window
    for place, height in sorted(peaks):
        if groups:
            (first, _), (last, _) = groups[-1][0], groups[-1][-1]
            between = maxima.heights[last // window : place // window + 1]
            near = place - last <= JOINED * window or between.min() > tail.end_of(threshold)
            if near and place - first <= LONGEST * window:
                groups[-1].append((place, height))
                continue
        groups.append([(place, height)])
    return groups


def _anomaly(
    summary: Summary, read: Read, peaks: list[tuple[int, float]], threshold: float, tail: Tail
) -> Event:
    """The event of one or more peaks, which lie side by side."""
    window = summary.window
    spans = []
    for peak, height in (peaks[0], peaks[-1]):
        first, last = max(0, peak - window), min(summary.length, peak + window + 1)
        values = read(first, last)
        start, end = _extent(values[:, -1], peak - first, tail.end_of(min(threshold, height)))
        spans.append((first + start, first + end))
    peak, height = max(peaks, key=lambda p: p[1])
    lead = summary.leads[_leading(read(peak, peak + 1)[0, :-1])]
    return Event(
        spans[0][0],
        spans[-1][1],
        peak,
        height,
        lead,
        alarm=bool(height >= threshold),
        one_in=tail.one_in(height),
    )


def highest_peaks(maxima: BlockMaxima) -> tuple[np.ndarray, np.ndarray]:
    """Heights and places of peaks at least a window apart, the higher ones first served; of at
    most `MAX_EVENTS`.
    """
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
            if len(chosen) == MAX_EVENTS:
                break
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
