"""Hotelling's T² of the window, and sub-PCA: what the first components leave of it."""

import numpy as np

from benchmarks.detection._labelled import Series
from benchmarks.detection.methods._windows import Found, both, by_lead, evenly, in_blocks, windows

LEARNED = 20_000  # windows
COMPONENTS = 10
# Of the largest variance, added to each: a direction that never varied shall not decide alone.
RIDGE = 1e-4


def t_squared(series: Series) -> Found:
    return by_lead(series, t_squared_of_lead)


def sub_pca(series: Series) -> Found:
    return by_lead(series, sub_pca_of_lead)


def t_squared_of_lead(known: np.ndarray, x: np.ndarray, window: int) -> dict[str, np.ndarray]:
    mean, variances, directions = _components(known, window)
    scale = directions / np.sqrt(np.maximum(variances, 0) + RIDGE * max(variances[-1], 1e-12))
    score = in_blocks(windows(x, window), lambda v: np.linalg.norm((v - mean) @ scale, axis=1))
    return both(score, len(x), window)


def sub_pca_of_lead(known: np.ndarray, x: np.ndarray, window: int) -> dict[str, np.ndarray]:
    mean, _, directions = _components(known, window)
    rest = directions[:, : -min(COMPONENTS, window - 1)]
    score = in_blocks(windows(x, window), lambda v: np.linalg.norm((v - mean) @ rest, axis=1))
    return both(score, len(x), window)


def _components(known: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`(mean, variances, directions)` of the windows; the largest variance is the last."""
    seen = evenly(windows(known, window), LEARNED)
    mean = seen.mean(0)
    variances, directions = np.linalg.eigh((seen - mean).T @ (seen - mean) / len(seen))
    return mean, variances, directions
