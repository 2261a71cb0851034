"""Scores to events: stretches that stand out, each with its peak."""

import dataclasses

import numpy as np

from lamina_detect._scale import runs

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
    between their median and their 90th percentile tells its steepness, since real anomalies are
    few and lie beyond.
    """
    count = len(score) // window
    highest = _block_maxima(score[: count * window], window)
    highest = highest[np.isfinite(highest) & (highest > 0)]
    if not len(highest):
        return 0.0
    middle, high = np.quantile(highest, [0.5, 1 - TAIL])
    steepness = (high - middle) / np.log(0.5 / TAIL)
    return float(high + steepness * np.log(TAIL / rate))


def find_events(scores, window, threshold):
    """Anomalies by score, at least ten; then gaps, clipped and flat stretches."""
    together = scores.together
    peaks = _peaks(together, window)
    order = peaks[np.argsort(-together[peaks], kind="stable")][:MOST]
    chosen = [p for i, p in enumerate(order) if i < AT_LEAST or together[p] >= threshold]
    events = []
    for peak in chosen:
        start, end = _extent(together, peak, window, min(threshold, together[peak]) / 2)
        lead = scores.leads[_leading(scores.values[peak, :-1])]
        height = float(together[peak])
        events.append(Event(start, end, int(peak), height, lead, alarm=height >= threshold))
    return events + list(_conditions(scores, window))


def _block_maxima(score, window):
    blocks = np.where(np.isnan(score), -np.inf, score).reshape(-1, window)
    return blocks.max(1)


def _peaks(score, window):
    """Highest samples at least a window apart, the higher ones first served."""
    count = -(-len(score) // window)
    padded = np.pad(np.nan_to_num(score, nan=0.0), (0, count * window - len(score)))
    best = padded.reshape(count, window).argmax(1) + np.arange(count) * window
    heights, kept = padded[best], []
    taken = np.zeros(count + 2, bool)
    places = {}
    for block in np.argsort(-heights, kind="stable"):
        if heights[block] <= 0:
            break
        near = (places.get(block - 1), places.get(block + 1))
        if any(n is not None and abs(n - best[block]) < window for n in near):
            continue
        taken[block] = True
        places[block] = best[block]
        kept.append(best[block])
    return np.array(kept, int)


def _extent(score, peak, window, level):
    """Around the peak, as far as the score stays above `level`, a window at most to each side."""
    first, last = max(0, peak - window), min(len(score), peak + window + 1)
    below = ~(score[first:last] > level)
    before, after = np.flatnonzero(below[: peak - first]), np.flatnonzero(below[peak - first :])
    start = first + before[-1] + 1 if len(before) else first
    end = peak + after[0] if len(after) else last
    return int(start), int(max(end, peak + 1))


def _leading(values):
    return int(np.argmax(np.nan_to_num(values, nan=-np.inf)))


def _conditions(scores, window):
    """Gaps, and stretches of at least half a window that do not move or are clipped."""
    for lead, name in enumerate(scores.leads):
        x = scores.samples[:, lead]
        missing = ~np.isfinite(x)
        for start, end in zip(*runs(missing), strict=True):
            yield Event(int(start), int(end), int(start), float("nan"), name, "gap")
        clean = np.where(missing, np.nan, x)
        extremes = np.nanmin(clean), np.nanmax(clean)
        for start, end in zip(*runs(np.diff(x) == 0), strict=True):
            if end - start >= max(4, window // 4):
                at = x[start]
                clipped = at in extremes and np.isin(scores.values[start : end + 1, lead], 0).any()
                kind = "clipped" if clipped else "flat"
                if clipped or end - start >= window:
                    peak = start + int(np.nanargmax(scores.values[start : end + 1, lead]))
                    height = float(scores.values[peak, lead])
                    yield Event(int(start), int(end) + 1, int(peak), height, name, kind)
