"""KMeansAD: how far a window lies from the nearest of 20 centres.

The algorithm of aeon's `KMeansAD` (and of TSB-AD's), by scikit-learn as there, on at most 3,000
windows and from one start in place of all windows and ten starts, which take far longer.
"""

import warnings

import numpy as np

from benchmarks.detection._labelled import Series
from benchmarks.detection.methods._windows import Found, both, by_lead, evenly, in_blocks, windows

LEARNED = 3_000  # windows
CENTRES = 20


def kmeans_ad(series: Series) -> Found:
    return by_lead(series, kmeans_ad_of_lead)


def kmeans_ad_of_lead(
    known: np.ndarray, x: np.ndarray, window: int, starts: int = 1, passes: int = 60
) -> dict[str, np.ndarray]:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    seen = evenly(windows(known, window), LEARNED)
    model = KMeans(min(CENTRES, len(seen)), n_init=starts, max_iter=passes, random_state=0)
    with warnings.catch_warnings():  # fewer different windows than centres: a load at rest
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(seen)
    # A copy: scikit-learn wants rows that lie one after the other.
    score = in_blocks(windows(x, window), lambda v: model.transform(v.copy()).min(1))
    return both(score, len(x), window)
