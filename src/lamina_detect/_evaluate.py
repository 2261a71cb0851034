"""How well the scores find what people marked, beside what chance would find."""

import numpy as np


def compare(scores, recording, seed=0):
    """A dict of figures from annotated beats or labels; None where there are none."""
    judge = Judge(recording, seed)
    judge.add(scores)
    return judge.verdict()


class Judge:
    """Compares scores with what people marked, block by block."""

    def __init__(self, recording, seed=0):
        self.recording = recording
        self.chance = np.random.default_rng(seed)
        self.top, self.top_at, self.done = -np.inf, 0, 0
        self.kind, self.positive = _marks(recording)
        self.ours, self.random = self._collector(), self._collector()

    def _collector(self):
        if self.kind != "beats":
            return _PerSample()
        return _PerBeat(self.recording.rate, self.recording.beats.samples)

    def add(self, scores):
        """The scores of the next samples."""
        if self.kind is None:
            return
        self.ours.add(np.nan_to_num(scores, nan=0.0))
        self.random.add(self.chance.random(len(scores)))
        if len(scores) and not np.isnan(scores).all():
            best = int(np.nanargmax(scores))
            if scores[best] > self.top:
                self.top, self.top_at = float(scores[best]), self.done + best
        self.done += len(scores)

    def verdict(self):
        """A dict of figures; None where nothing, or everything, is marked."""
        if self.kind is None:
            return None
        ours, random = self.ours.values(), self.random.values()
        return {
            "per": self.kind,
            "positive": int(self.positive.sum()),
            "of": len(self.positive),
            "area_under_roc": area_under_roc(self.positive, ours),
            "average_precision": average_precision(self.positive, ours),
            "random_area_under_roc": area_under_roc(self.positive, random),
            "random_average_precision": average_precision(self.positive, random),
            "highest_score_at": self.top_at,
            "distance_of_highest_to_nearest_event": self._distance(),
        }

    def _distance(self):
        places = np.flatnonzero(self.positive)
        if self.kind == "beats":
            places = self.recording.beats.samples[places]
        return int(np.abs(places - self.top_at).min())


def _marks(recording):
    """What people marked, and which of them; (None, None) where nothing or everything is."""
    if recording.beats is not None and recording.rate:
        kind, positive = "beats", recording.beats.anomalous
    else:
        kind, positive = "samples", recording.labels
    if positive is None or positive.all() or not positive.any():
        return None, None
    return kind, positive


class _PerSample:
    def __init__(self):
        self.parts = []

    def add(self, scores):
        self.parts.append(scores)

    def values(self):
        return np.concatenate(self.parts)


class _PerBeat:
    """The highest score from a quarter second before to 0.4 s after each beat."""

    def __init__(self, rate, beats):
        self.first, self.last = beats - int(0.25 * rate), beats + int(0.4 * rate)
        self.best, self.done = np.zeros(len(beats)), 0

    def add(self, scores):
        start, stop = self.done, self.done + len(scores)
        for beat in np.flatnonzero((self.first < stop) & (self.last > start)):
            near = scores[max(0, self.first[beat] - start) : self.last[beat] - start]
            self.best[beat] = max(self.best[beat], near.max())
        self.done = stop

    def values(self):
        return self.best


def area_under_roc(positive, score):
    """The probability that a positive scores higher than a negative; ties count half."""
    _, rank, count = np.unique(score, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - (count - 1) / 2
    hits = positive.sum()
    above = middle[rank][positive].sum() - hits * (hits + 1) / 2
    return float(above / (hits * (len(positive) - hits)))


def average_precision(positive, score):
    """The mean precision over the positives, from the highest score down; ties go together."""
    values, rank = np.unique(-np.asarray(score), return_inverse=True)
    hits = np.bincount(rank, positive, len(values))
    precision = np.cumsum(hits) / np.cumsum(np.bincount(rank, minlength=len(values)))
    return float((precision * hits).sum() / positive.sum())
