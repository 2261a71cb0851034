"""How well the scores find what people marked, beside what chance would find."""

import numpy as np


def compare(scores, recording, seed=0):
    """A dict of figures from annotated beats or labels; None where there are none."""
    chance = np.random.default_rng(seed).random(recording.length)
    if recording.beats is not None and recording.rate:
        positive = recording.beats.anomalous
        kind = "beats"
        judge = lambda s: _per_beat(s, recording.rate, recording.beats.samples)  # noqa: E731
    elif recording.labels is not None:
        positive, kind = recording.labels, "samples"
        judge = np.nan_to_num
    else:
        return None
    if positive.all() or not positive.any():
        return None
    ours, random = judge(scores), judge(chance)
    top = int(np.nanargmax(scores))
    return {
        "per": kind,
        "positive": int(positive.sum()),
        "of": len(positive),
        "area_under_roc": area_under_roc(positive, ours),
        "average_precision": average_precision(positive, ours),
        "random_area_under_roc": area_under_roc(positive, random),
        "random_average_precision": average_precision(positive, random),
        "highest_score_at": top,
        "distance_of_highest_to_nearest_event": _distance(top, recording, positive),
    }


def _distance(top, recording, positive):
    places = np.flatnonzero(positive)
    if recording.beats is not None:
        places = recording.beats.samples[places]
    return int(np.abs(places - top).min())


def _per_beat(score, rate, beats):
    """The highest score from a quarter second before to 0.4 s after each beat."""
    before, after = int(0.25 * rate), int(0.4 * rate)
    score = np.nan_to_num(score, nan=0.0)
    return np.array([score[max(0, b - before) : b + after].max() for b in beats])


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
