"""The rows a table starts from, where they are known at construction."""

from typing import Any

import numpy as np
from keras import ops

from lamina._common import received, to_numpy
from lamina._common._fast import jit_compiled
from lamina.quantize._nearest import nearest
from lamina.quantize._statistics import kmeans

STARTS = ("kmeans", "uniform")

# Outside a training step, which is compiled as one function, they are compiled by themselves.
_compiled_nearest = jit_compiled(nearest)
_compiled_kmeans = jit_compiled(kmeans)


def first_tables(start: Any, sizes: list[int], metric: str, seed: int | None) -> list[Any]:
    """For each table its start: a name of STARTS, or its rows.

    `start` is such a name, the data itself, or the `{"shape": ...}` of a config, which stands for
    rows that come with the weights: NaN until then.
    """
    if isinstance(start, str):
        if start not in STARTS:
            raise ValueError(
                "`start` must be 'kmeans', 'uniform' or an array of vectors. "
                f"{received('start', start)}"
            )
        return [start] * len(sizes)
    if isinstance(start, dict):
        features = start["shape"][-1]
        return [np.full((size, features), np.nan) for size in sizes]
    data = _checked(start, max(sizes))
    tables = []
    for stage, size in enumerate(sizes):
        tables.append(_table(data, size, metric, None if seed is None else seed + stage))
        if stage + 1 < len(sizes):
            codes = _compiled_nearest(*map(ops.convert_to_tensor, (data, tables[-1])), metric)
            data = data - tables[-1][to_numpy(codes)]
    return tables


def _table(data: np.ndarray, size: int, metric: str, seed: int | None) -> np.ndarray:
    """`size` rows: the data as they are if there are as many, else their k-means."""
    if len(data) == size:
        return data
    draw = np.random.default_rng(seed).random(len(data)).astype(data.dtype)
    rows, counts = np.zeros((size, data.shape[1]), data.dtype), np.zeros(size, data.dtype)
    arrays = (rows, counts, data, np.ones(len(data), bool), draw)
    # A decay of 0: plain Lloyd's iterations, without a memory of earlier batches.
    return to_numpy(_compiled_kmeans(*map(ops.convert_to_tensor, arrays), metric, 0.0))


def _checked(start: Any, most: int) -> np.ndarray:
    data = np.asarray(to_numpy(start))
    if data.ndim != 2 or data.dtype.kind not in "iuf" or not np.isfinite(data).all():
        raise ValueError(
            "`start` must be 'kmeans', 'uniform' or finite numbers of the shape "
            f"(vectors, features). {received('shape', data.shape, dtype=data.dtype.name)}"
        )
    if len(data) < most:
        raise ValueError(
            f"`start` must have at least one vector for each of the {most} codes. "
            f"{received('shape', data.shape)}"
        )
    return data if data.dtype == "float64" else data.astype("float32")
