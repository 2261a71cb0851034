"""One peer on one series, in a process of its own.

    python -m benchmarks.detection._peers METHOD IN.npz OUT.npz LIMIT

Needs neither Keras nor lamina: aeon, stumpy, pyod and torch only. IN holds `learn`, `score` and
`window`; OUT the scores of the first samples of `score`, as many as the method can do in LIMIT
seconds.
"""

import sys
import time
from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Method = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
"""`(learn, score, window)` to a score for each sample of `score`."""

PROBE = 3_000  # samples on which a method is timed first


def kmeans_ad(learn: np.ndarray, score: np.ndarray, window: int) -> np.ndarray:
    from aeon.anomaly_detection.series.distance_based import KMeansAD

    model = KMeansAD(window_size=window, stride=1, n_clusters=20, random_state=0)
    model.fit(learn)
    return model.predict(score)


def sub_pca(learn: np.ndarray, score: np.ndarray, window: int, components: int = 10) -> np.ndarray:
    """What ten principal components leave of each centred window, at its last sample."""
    known, new = sliding_window_view(learn, window), sliding_window_view(score, window)
    some = known[:: max(1, len(known) // 50_000)]
    some = some - some.mean(1, keepdims=True)
    basis = np.linalg.eigh(some.T @ some)[1][:, -components:]

    def left(windows: np.ndarray) -> np.ndarray:
        windows = windows - windows.mean(1, keepdims=True)
        return (windows**2).sum(1) - ((windows @ basis) ** 2).sum(1)

    rest = [left(new[i : i + 50_000]) for i in range(0, len(new), 50_000)]
    return np.concatenate([np.zeros(window - 1), *rest])


def matrix_profile(learn: np.ndarray, score: np.ndarray, window: int) -> np.ndarray:
    """The distance of each window to the nearest other one, at its last sample."""
    import stumpy

    if np.array_equal(learn, score):
        found = stumpy.stump(score, window)
    else:
        found = stumpy.stump(score, window, learn, ignore_trivial=False)
    distance = found[:, 0].astype(float)
    distance[~np.isfinite(distance)] = 0
    return np.concatenate([np.zeros(window - 1), distance])


def k_shape(learn: np.ndarray, score: np.ndarray, window: int) -> np.ndarray:
    from pyod.models.ts_kshape import KShape

    return KShape(n_clusters=3, window_size=window, max_iter=5).fit(learn).decision_function(score)


def lstm_ad(learn: np.ndarray, score: np.ndarray, window: int) -> np.ndarray:
    import torch
    from pyod.models.ts_lstm import LSTMAD

    torch.manual_seed(0)
    model = LSTMAD(window_size=min(window, 100), epochs=3, batch_size=256)
    return model.fit(learn).decision_function(score)


def from_median(learn: np.ndarray, score: np.ndarray, window: int) -> np.ndarray:
    return np.abs(score - np.median(learn))


def random(learn: np.ndarray, score: np.ndarray, window: int) -> np.ndarray:
    return np.random.default_rng(1).random(len(score))


# The method, and the power of the length with which its time grows; 0: always short.
PEERS: dict[str, tuple[Method, int]] = {
    "KMeansAD": (kmeans_ad, 1),
    "sub-PCA": (sub_pca, 0),
    "matrix profile": (matrix_profile, 2),
    "KShape": (k_shape, 1),
    "LSTMAD": (lstm_ad, 1),
    "abs(x - median)": (from_median, 0),
    "random": (random, 0),
}


def feasible(
    method: Method, power: int, learn: np.ndarray, score: np.ndarray, window: int, limit: float
) -> int:
    """As many samples as take `limit` seconds, by the time that a short piece takes."""
    if not power:
        return len(score)
    probe = min(PROBE * 10 if power == 2 else PROBE + window, len(score))
    method(learn[:probe], score[:probe], window)  # Compiles.
    began = time.perf_counter()
    method(learn[:probe], score[:probe], window)
    took = time.perf_counter() - began
    return min(len(score), int(probe * (limit / took) ** (1 / power)))


def main() -> None:
    name, given, found, limit = sys.argv[1:]
    method, power = PEERS[name]
    data = np.load(given)
    learn, score, window = data["learn"], data["score"], int(data["window"])
    length = feasible(method, power, learn, score, window, float(limit))
    began = time.perf_counter()
    values = np.asarray(method(learn[: max(length, 1)], score[:length], window), "float64")
    np.savez(found, values=values.ravel(), seconds=time.perf_counter() - began)


if __name__ == "__main__":
    main()
