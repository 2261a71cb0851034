"""A plain ensemble of classical detectors: the mean of their -log p. What a new one has to beat.

T² and sub-PCA at one and at two periods, KMeansAD, and the residual of an autoregression.
"""

import numpy as np

from benchmarks.detection._labelled import Series
from benchmarks.detection.methods._windows import CAUSAL, MODES, Found, by_lead, minus_log_p
from benchmarks.detection.methods.clusters import kmeans_ad_of_lead
from benchmarks.detection.methods.principal import sub_pca_of_lead, t_squared_of_lead
from benchmarks.detection.methods.simple import autoregression_of_lead


def ensemble(series: Series) -> Found:
    twice = min(2 * series.window, len(series.learned) // 4, len(series.x) // 6)

    def of_lead(known: np.ndarray, x: np.ndarray, window: int) -> dict[str, np.ndarray]:
        experts = [
            t_squared_of_lead(known, x, window),
            sub_pca_of_lead(known, x, window),
            t_squared_of_lead(known, x, twice),
            sub_pca_of_lead(known, x, twice),
            kmeans_ad_of_lead(known, x, window),
            autoregression_of_lead(known, x, window),
        ]
        return {mode: _mean(experts, mode, series.train) for mode in MODES}

    return by_lead(series, of_lead, as_it_is=True)


def _mean(experts: list[dict[str, np.ndarray]], mode: str, train: int) -> np.ndarray:
    return np.mean([minus_log_p(e.get(mode, e[CAUSAL]), train) for e in experts], 0)
