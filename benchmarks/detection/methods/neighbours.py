"""sub-LOF: scikit-learn's local outlier factor of the window, with 20 neighbours."""

import numpy as np

from benchmarks.detection._labelled import Series
from benchmarks.detection.methods._windows import Found, both, by_lead, evenly, windows

LEARNED = 1_500  # windows: each new one is compared with all of them
NEIGHBOURS = 20
BLOCK = 5_000


def sub_lof(series: Series) -> Found:
    return by_lead(series, sub_lof_of_lead)


def sub_lof_of_lead(known: np.ndarray, x: np.ndarray, window: int) -> dict[str, np.ndarray]:
    from sklearn.neighbors import LocalOutlierFactor

    seen = evenly(windows(known, window), LEARNED)
    model = LocalOutlierFactor(min(NEIGHBOURS, len(seen) - 1), algorithm="brute", novelty=True)
    model.fit(seen)
    new = windows(x, window)
    parts = [-model.score_samples(new[i : i + BLOCK]) for i in range(0, len(new), BLOCK)]
    return both(np.concatenate(parts), len(x), window)
