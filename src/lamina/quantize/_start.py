"""The rows a table starts from, where they are known at construction."""

from typing import Any

import numpy as np
from keras import ops

from lamina._common import received, to_numpy
from lamina._common._fast import jit_compiled
from lamina.quantize._kmeans import lloyd, seeded
from lamina.quantize._nearest import nearest

STARTS = ("kmeans", "uniform", "normal")

# Outside a training step, which is compiled as one function, they are compiled by themselves.
_compiled_nearest = jit_compiled(nearest)
_compiled_seeded = jit_compiled(seeded)
_compiled_lloyd = jit_compiled(lloyd)


def first_tables(
    start: Any, sizes: list[int], metric: str, seed: int | None, parts: int = 1
) -> list[Any]:
    """For each table its start: a name of STARTS, or its rows.

    `start` is such a name, the data itself, or the `{"shape": ...}` of a config, which stands for
    rows that come with the weights: NaN until then. Vectors of data are cut into `parts` first.
    """
    if isinstance(start, str):
        if start not in STARTS:
            raise ValueError(
                "`start` must be 'kmeans', 'uniform', 'normal' or an array of vectors. "
                f"{received('start', start)}"
            )
        return [start] * len(sizes)
    if isinstance(start, dict):
        features = start["shape"][-1]
        return [np.full((size, features), np.nan) for size in sizes]
    data = _cut(_checked(start), parts)
    _check_distinct(data, max(sizes))
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
    rows, counts, vectors, valid, draw = map(ops.convert_to_tensor, arrays)
    empty = ops.ones((size,), "bool")
    rows = _compiled_seeded(rows, empty, vectors, valid, draw, metric)
    # A decay of 0: plain Lloyd's iterations, without a memory of earlier batches.
    return to_numpy(_compiled_lloyd(rows, empty, counts, vectors, valid, draw, metric, 0.0))


def grouped_tables(
    start: Any, sizes: list[int], metric: str, seed: int | None, groups: int, cut: bool
) -> list[Any]:
    """As `first_tables`, for each stage one table a group: of its columns, or of all uncut."""
    if groups == 1 or isinstance(start, str | dict):
        tables = first_tables(start, sizes, metric, seed)
        return [table for table in tables for _ in range(groups)]
    data = _checked(start)
    if cut:
        _cut(data, groups)
    columns = np.split(data, groups, axis=1) if cut else [data] * groups
    each = [first_tables(part, sizes, metric, seed) for part in columns]
    return [table for stage in zip(*each, strict=True) for table in stage]


def _cut(data: np.ndarray, parts: int) -> np.ndarray:
    if data.shape[1] % parts:
        raise ValueError(
            f"`groups` must divide the features of `start`. {received('groups', parts)}"
        )
    return data.reshape(-1, data.shape[1] // parts)


def _check_distinct(data: np.ndarray, most: int) -> None:
    distinct = len(np.unique(data, axis=0)) if len(data) >= most else len(data)
    if distinct < most:
        raise ValueError(
            f"`start` must have at least one vector for each of the {most} codes, each another "
            f"than the others; it has {distinct}. Give more vectors or ask for fewer codes. "
            f"{received('shape', data.shape)}"
        )


def _checked(start: Any) -> np.ndarray:
    data = np.asarray(to_numpy(start))
    if data.ndim != 2 or data.dtype.kind not in "iuf" or not np.isfinite(data).all():
        raise ValueError(
            "`start` must be 'kmeans', 'uniform', 'normal' or finite numbers of the shape "
            f"(vectors, features). {received('shape', data.shape, dtype=data.dtype.name)}"
        )
    return data if data.dtype == "float64" else data.astype("float32")
