"""What training does to a table: count and sum the vectors, move the rows, replace dead rows."""

from typing import Any

import numpy as np
from keras import ops

from lamina._common import Array
from lamina.quantize._nearest import distortion, nearest

# Lloyd's iterations of a k-means start: further ones change the distortion by a few per cent.
ITERATIONS = 10
# Vectors tried for each row at the start. On separate clusters 38 of 60 starts missed one with 3
# vectors (up to 1.9 times the distortion of the best of five by scikit-learn), 2 of 60 with 12.
CANDIDATES = 12
# In place of 0 in a logarithm and a divisor; its own inverse is still a float32.
TINY = 1e-30


def tally(vectors: Array, codes: Array, rows: int) -> tuple[Array, Array]:
    """(number, sum) of the vectors of each row; a code of -1 belongs to none."""
    codes = ops.where(codes < 0, rows, codes)
    ones = ops.ones_like(vectors[:, 0])
    number = ops.segment_sum(ones, codes, num_segments=rows + 1)[:rows]
    total = ops.segment_sum(vectors, codes, num_segments=rows + 1)[:rows]
    return number, total


def moved(
    table: Array, counts: Array, number: Array, total: Array, decay: float
) -> tuple[Array, Array]:
    """(table, counts) after one step of the exponential moving averages

        N' = d N + (1 - d) n        (N c)' = d N c + (1 - d) s        c' = (N c)' / N'

    written as a step of c, so that a row without vectors does not move at all.
    """
    counts = decay * counts + (1 - decay) * number
    step = (1 - decay) * (total - number[:, None] * table)
    return table + step / ops.where(counts > 0, counts, 1)[:, None], counts


def reseeded(
    table: Array, which: Array, vectors: Array, valid: Array, draw: Array, weight: Array
) -> tuple[Array, Array]:
    """(table, replaced): the rows of `which` become vectors, drawn in proportion to `weight`.

    No vector is taken twice; with fewer `valid` vectors than rows, the last rows stay. `draw` is
    uniform on (0, 1): sampling without replacement after Efraimidis and Spirakis (2006).
    """
    order = ops.argsort(ops.where(valid, _waiting_times(draw, weight), float("inf")))
    rank = ops.cumsum(ops.cast(which, "int32")) - 1
    replaced = ops.logical_and(which, rank < ops.sum(ops.cast(valid, "int32")))
    picked = ops.take(order, ops.where(replaced, rank, 0))
    return ops.where(replaced[:, None], ops.take(vectors, picked, axis=0), table), replaced


def kmeans(
    table: Array,
    counts: Array,
    vectors: Array,
    valid: Array,
    draw: Array,
    metric: str,
    decay: float,
) -> Array:
    """`table` after some iterations of k-means on the vectors.

    Rows with `counts` of 0 start on vectors of this batch; the others carry earlier batches on.
    A row that loses all its vectors moves to one that is far from every row.
    """
    empty = counts == 0
    table = ops.cond(
        ops.any(empty),
        lambda: seeded(table, empty, vectors, valid, draw, metric),
        lambda: table,
    )

    def iteration(_: Array, now: Array) -> Array:
        codes, weight = _fit(now, vectors, valid, metric)
        number, total = tally(vectors, codes, now.shape[0])
        now, _ = moved(now, counts, number, total, decay)
        lost = ops.logical_and(empty, number == 0)
        return reseeded(now, lost, vectors, valid, draw, weight)[0]

    return ops.fori_loop(0, ITERATIONS, iteration, table)


def seeded(
    table: Array, empty: Array, vectors: Array, valid: Array, draw: Array, metric: str
) -> Array:
    """`table` with the `empty` rows on vectors far from each other: greedy k-means++.

    Each row takes the best of some vectors, drawn in proportion to their distortion so far. When no
    vector is left that would be any better for it, a row stays where it is.
    """
    shifts = _shifts(table.shape[0], table.dtype)

    def place(k: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        table, weight = now
        waits = _waiting_times((draw + shifts[k]) % 1.0, weight)
        tried = ops.take(vectors, ops.argmin(waits, axis=-1), axis=0)
        after = ops.minimum(weight, distortion(vectors, tried[:, None], metric))
        best = ops.argmin(ops.sum(after, axis=-1))
        better = ops.logical_and(empty[k], ops.sum(after[best]) < ops.sum(weight))
        row = ops.where(better, tried[best], table[k])
        return ops.slice_update(table, (k, 0), row[None]), ops.where(better, after[best], weight)

    _, weight = _fit(table, vectors, valid, metric)
    weight = ops.where(valid, weight, 0)
    return ops.fori_loop(0, table.shape[0], place, (table, weight))[0]


def _shifts(rows: int, dtype: Any) -> Array:
    """`(rows, CANDIDATES, 1)` numbers that make further draws of one: added to it, modulo 1.

    Multiples of the golden section, which modulo 1 lie evenly however many there are.
    """
    shifts = 0.618034 * np.arange(rows * CANDIDATES).reshape(-1, CANDIDATES, 1) % 1.0
    return ops.convert_to_tensor(shifts, dtype)


def _waiting_times(draw: Array, weight: Array) -> Array:
    """Exponential waiting times: the first to come is a draw in proportion to `weight`."""
    return -ops.log(ops.maximum(draw, TINY)) / ops.maximum(weight, TINY)


def _fit(table: Array, vectors: Array, valid: Array, metric: str) -> tuple[Array, Array]:
    """(codes, distortion) of the vectors; code -1 where they are not valid."""
    codes = nearest(vectors, table, metric)
    error = distortion(vectors, ops.take(table, codes, axis=0), metric)
    return ops.where(valid, codes, -1), error
