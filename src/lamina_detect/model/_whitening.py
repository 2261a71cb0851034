"""Learning how windows vary: their mean, leading directions and variances. NumPy."""

import dataclasses

import numpy as np

# A variance counts as at least this part of the largest: below it float32 has only noise left.
FLOOR = 1e-4
# Windows that the covariance is learned from: more change it little.
COVARIANCE_FROM = 20_000


@dataclasses.dataclass(frozen=True)
class Whitening:
    """`mean` `(window,)`, `directions` `(window, count)`, their `variance`, and the mean variance
    of all `rest`."""

    mean: np.ndarray
    directions: np.ndarray
    variance: np.ndarray
    rest: float


def learn_whitening(windows: np.ndarray, count: int, least: float = FLOOR) -> Whitening:
    """Of windows `(number, window)`; `count` directions, at most one less than the window."""
    some = windows
    if len(some) > COVARIANCE_FROM:
        some = some[np.linspace(0, len(some) - 1, COVARIANCE_FROM).astype(int)]
    mean = some.mean(0, dtype="float64")
    centred = some - mean.astype("float32")
    values, vectors = np.linalg.eigh((centred.T @ centred).astype("float64") / len(some))
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    floor = least * max(float(values[0]), 1e-12)
    return Whitening(
        mean, vectors[:, :count], values[:count] + floor, float(values[count:].mean() + floor)
    )
