"""What a detector must beat: the residual of an autoregression, |x - median|, and chance.

Each needs nothing after a sample, and nothing is averaged: they are causal as they are.
"""

import numpy as np

from benchmarks.detection._labelled import Series
from benchmarks.detection.methods._windows import CAUSAL, Found, by_lead, ended, evenly, windows

LEARNED = 20_000  # windows
MOST_LAGS = 64
RIDGE = 1e-6  # of the mean variance


def autoregression(series: Series) -> Found:
    return by_lead(series, autoregression_of_lead)


def from_median(series: Series) -> Found:
    return by_lead(series, lambda known, x, window: {CAUSAL: np.abs(x - np.median(known))})


def chance(series: Series) -> Found:
    return Found({CAUSAL: np.random.default_rng(1).random(len(series.x))})


def autoregression_of_lead(known: np.ndarray, x: np.ndarray, window: int) -> dict[str, np.ndarray]:
    """How far a sample lies from what the ones before it foretell, by least squares."""
    lags = min(window, MOST_LAGS)
    seen = evenly(windows(known, lags + 1), LEARNED)
    before, now = np.c_[seen[:, :-1], np.ones(len(seen))], seen[:, -1]
    products = before.T @ before
    ridge = RIDGE * np.trace(products) / len(products) * np.eye(lags + 1)
    weights = np.linalg.solve(products + ridge, before.T @ now)
    new = windows(x, lags + 1)
    rest = np.abs(new[:, -1] - new[:, :-1] @ weights[:-1] - weights[-1])
    return {CAUSAL: ended(rest, len(x), lags + 1)}
