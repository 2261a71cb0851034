"""k-means on one batch: what a table starts from."""

from typing import Any

import numpy as np
from keras import ops

from lamina._common import Array, branch
from lamina.quantize._nearest import distances, distortion, nearest
from lamina.quantize._statistics import moved, reseeded, tally

# Lloyd's iterations: further ones change the distortion by a few per cent.
ITERATIONS = 10
# Vectors tried for each row. On separate clusters 38 of 60 starts missed one with 3 vectors (up to
# 1.9 times the distortion of the best of five by scikit-learn), 2 of 60 with 12.
CANDIDATES = 12
# All rows together try about so many, so that a large table costs no more than a search or two;
# clusters that are few enough to be missed have a small table.
ALL_CANDIDATES = 12288
# A large table places several rows in one round: so many rounds.
ROUNDS = 256
# Modulo 1, its multiples lie evenly however many there are.
GOLDEN = 0.618034


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
    Where there are no such rows, the running means go on by themselves; where there are as many
    as vectors, each vector becomes a row.
    """
    empty = counts == 0
    number = ops.cast(ops.sum(ops.cast(empty, "int32")), "int32")

    def filled() -> Array:
        _, weight = _fit(table, vectors, valid, metric)
        unlike = ops.logical_and(valid, weight > 0)
        return reseeded(table, empty, vectors, unlike, draw, weight)[0]

    def clustered() -> Array:
        rows = seeded(table, empty, vectors, valid, draw, metric)
        return lloyd(rows, empty, counts, vectors, valid, draw, metric, decay)

    def started() -> Array:
        few = number >= ops.sum(ops.cast(valid, "int32"))
        return branch(few, filled, clustered)

    return branch(number > 0, started, lambda: table)


def lloyd(
    table: Array,
    empty: Array,
    counts: Array,
    vectors: Array,
    valid: Array,
    draw: Array,
    metric: str,
    decay: float,
) -> Array:
    """`table` after Lloyd's iterations; an `empty` row that loses all its vectors moves to one
    that is far from every row.
    """

    def iteration(_: Array, now: Array) -> Array:
        codes, weight = _fit(now, vectors, valid, metric)
        number, total = tally(vectors, codes, now.shape[0])
        lost = ops.logical_and(empty, number == 0)
        now, _ = moved(now, counts, ops.cast(number, now.dtype), total, decay)
        return branch(
            ops.any(lost),
            lambda: reseeded(now, lost, vectors, valid, draw, weight)[0],
            lambda: now,
        )

    return ops.fori_loop(0, ITERATIONS, iteration, table)


def seeded(
    table: Array, empty: Array, vectors: Array, valid: Array, draw: Array, metric: str
) -> Array:
    """`table` with the `empty` rows on vectors far from each other: greedy k-means++.

    Each row takes the best of some vectors, drawn in proportion to their distortion so far. When no
    vector is left that would be any better for it, a row stays where it is. Rows of a round do
    not see each other; they draw from different shares of the distortion.
    """
    size = table.shape[0]
    each = max(1, min(CANDIDATES, ALL_CANDIDATES // size))
    width = -(-size // ROUNDS)
    # The rows to be placed first; the rest of the last round falls outside and is dropped.
    order = ops.argsort(ops.cast(ops.logical_not(empty), "int32"))
    order = ops.pad(ops.cast(order, "int32"), (0, width), constant_values=size)
    number = ops.cast(ops.sum(ops.cast(empty, "int32")), "int32")
    places = GOLDEN * np.arange(-(-size // width) * width * each) % 1.0
    places: Array = ops.convert_to_tensor(places.reshape(-1, width * each), table.dtype)

    def place(k: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        table, weight = now
        tried = ops.take(vectors, _drawn(weight, (draw[0] + places[k]) % 1.0), axis=0)
        after = ops.minimum(weight[:, None], distances(vectors, tried, metric))
        sums = ops.reshape(ops.sum(after, axis=0), (width, each))
        # By name: under a floatx of 64 bits Keras' own integers are of 64 as well.
        offsets: Array = ops.arange(width, dtype="int32")
        best = ops.cast(ops.argmin(sums, axis=-1), "int32") + each * offsets
        ranks = ops.cast(k, "int32") * width + offsets
        better = ops.take(ops.reshape(sums, (-1,)), best) < ops.sum(weight)
        better = ops.logical_and(better, ranks < number)
        where = ops.where(better, ops.take(order, ranks), size)
        table = _with_rows(table, where, ops.take(tried, best, axis=0))
        chosen = ops.where(better[None], ops.take(after, best, axis=1), weight[:, None])
        return table, ops.min(chosen, axis=1)

    _, weight = _fit(table, vectors, valid, metric)
    weight = ops.where(valid, weight, 0)
    rounds = (number + width - 1) // width
    return ops.fori_loop(0, rounds, place, (table, weight))[0]


def _with_rows(table: Array, where: Array, rows: Array) -> Array:
    """`table` with `rows` at the places `where`; one place past its end takes what is left over."""
    longer = ops.concatenate([table, table[:1]], axis=0)
    return ops.scatter_update(longer, where[:, None], rows)[: table.shape[0]]


def _drawn(weight: Array, uniform: Array) -> Array:
    """Indices drawn in proportion to `weight`, by numbers uniform on [0, 1)."""
    ends = ops.cumsum(weight)
    below = ends[None] <= (uniform * ends[-1])[:, None]
    # Where rounding takes a number to the very end, or there is no weight: any will do.
    last = ops.shape(weight)[0] - 1
    return ops.minimum(ops.sum(ops.cast(below, "int32"), axis=-1), last)


def _fit(table: Array, vectors: Array, valid: Array, metric: str) -> tuple[Array, Any]:
    """(codes, distortion) of the vectors; code -1 where they are not valid."""
    codes = nearest(vectors, table, metric)
    error = distortion(vectors, ops.take(table, codes, axis=0), metric)
    return ops.where(valid, codes, -1), error
