"""How well the scores find what people marked, beside what chance would find."""

from typing import Any

import numpy as np

from lamina_detect.recordings import Recording

# A beat's score: the highest from a quarter second before its annotation (its P wave) to 0.4 s
# after it (its T wave), less than the time to the next beat below 90 a minute.
BEFORE_BEAT, AFTER_BEAT = 0.25, 0.4


def evaluate(scores: np.ndarray, recording: Recording, seed: int = 0) -> dict[str, Any] | None:
    """Figures from annotated beats or labels; None where there are none."""
    evaluation = Evaluation(recording, seed)
    evaluation.add(scores)
    return evaluation.metrics()


class Evaluation:
    """Compares scores with what people marked, block by block."""

    def __init__(self, recording: Recording, seed: int = 0) -> None:
        self.recording = recording
        self.chance = np.random.default_rng(seed)
        self.top, self.top_at, self.done = -np.inf, 0, 0
        self.kind, self.positive = _marks(recording)
        self.ours, self.random = self._collector(), self._collector()

    def _collector(self) -> "_PerSample | _PerBeat":
        if self.kind != "beats":
            return _PerSample()
        return _PerBeat(self.recording.rate or 1, self.recording.beats.samples)

    def add(self, scores: np.ndarray) -> None:
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

    def metrics(self) -> dict[str, Any] | None:
        """A dict of figures; None where nothing, or everything, is marked."""
        if self.positive is None:
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
            "distance_of_highest_to_nearest_event": self._distance(self.positive),
        }

    def _distance(self, positive: np.ndarray) -> int:
        places = np.flatnonzero(positive)
        if self.kind == "beats":
            places = self.recording.beats.samples[places]
        return int(np.abs(places - self.top_at).min())


def _marks(recording: Recording) -> tuple[str | None, np.ndarray | None]:
    """What people marked, and which of them; (None, None) where nothing or everything is."""
    if recording.beats is not None and recording.rate:
        kind, positive = "beats", recording.beats.anomalous
    else:
        kind, positive = "samples", recording.labels
    if positive is None or positive.all() or not positive.any():
        return None, None
    return kind, positive


class _PerSample:
    def __init__(self) -> None:
        self.parts: list[np.ndarray] = []

    def add(self, scores: np.ndarray) -> None:
        self.parts.append(scores)

    def values(self) -> np.ndarray:
        return np.concatenate(self.parts)


class _PerBeat:
    """The highest score around each beat."""

    def __init__(self, rate: float, beats: np.ndarray) -> None:
        self.first = beats - int(BEFORE_BEAT * rate)
        self.last = beats + int(AFTER_BEAT * rate)
        self.best, self.done = np.zeros(len(beats)), 0

    def add(self, scores: np.ndarray) -> None:
        start, stop = self.done, self.done + len(scores)
        for beat in np.flatnonzero((self.first < stop) & (self.last > start)):
            near = scores[max(0, self.first[beat] - start) : self.last[beat] - start]
            self.best[beat] = max(self.best[beat], near.max())
        self.done = stop

    def values(self) -> np.ndarray:
        return self.best


def area_under_roc(positive: np.ndarray, score: np.ndarray) -> float:
    """The probability that a positive scores higher than a negative; ties count half."""
    _, rank, count = np.unique(score, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - (count - 1) / 2
    hits = positive.sum()
    above = middle[rank][positive].sum() - hits * (hits + 1) / 2
    return float(above / (hits * (len(positive) - hits)))


def average_precision(positive: np.ndarray, score: np.ndarray) -> float:
    """The mean precision over the positives, from the highest score down; ties go together."""
    values, rank = np.unique(-np.asarray(score), return_inverse=True)
    hits = np.bincount(rank, positive, len(values))
    precision = np.cumsum(hits) / np.cumsum(np.bincount(rank, minlength=len(values)))
    return float((precision * hits).sum() / positive.sum())
