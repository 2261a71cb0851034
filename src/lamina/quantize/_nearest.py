"""The nearest row of a table, by one matrix product a block of rows."""

from lamina._common import Array
from lamina._common._direct import direct as ops
from lamina._common._fast import largest, product

# Scores are a (vectors, rows) matrix: in blocks, its memory does not grow with the table.
BLOCK = 1024
# The squared length below which a vector is not scaled to length 1, as in `tf.math.l2_normalize`:
# its direction would be that of rounding errors.
SHORTEST_SQUARED = 1e-12


def nearest(
    vectors: Array, table: Array, metric: str, block: int = BLOCK, noise: Array | None = None
) -> Array:
    """int32 index of the row of `table` nearest to each vector; the lowest one on a tie.

    Euclidean: the row with the largest x . c - |c|^2 / 2. Both are taken relative to the table's
    mean first: far from the origin the two terms would cancel and the rounding decide.
    Cosine: the row with the largest x . c / |c|. `noise` `(vectors, rows)` is added to half of the
    squared distance, of the directions under "cosine".
    """
    if metric == "cosine":
        table = unit(table)
        vectors = vectors if noise is None else unit(vectors)
    else:
        center = ops.mean(table, axis=0)
        vectors, table = vectors - center, table - center
    best = index = None
    for first in range(0, table.shape[0], block):
        rows = table[first : first + block]
        score = product(vectors, ops.transpose(rows))
        if metric == "euclidean":
            score = score - ops.sum(rows * rows, axis=-1) * 0.5
        if noise is not None:
            score = score + noise[:, first : first + block]
        here = largest(score)
        if table.shape[0] <= block:
            return here
        top = ops.max(score, axis=-1)
        if best is None:
            best, index = top, here
        else:
            index = ops.where(top > best, here + first, index)
            best = ops.maximum(top, best)
    return index


def unit(vectors: Array) -> Array:
    """Each vector divided by its length."""
    square = ops.sum(vectors * vectors, axis=-1, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(square, SHORTEST_SQUARED))


def distortion(vectors: Array, rows: Array, metric: str) -> Array:
    """Squared distance of each vector from its row; of the directions under "cosine"."""
    if metric == "cosine":
        vectors, rows = unit(vectors), unit(rows)
    return ops.sum(ops.square(vectors - rows), axis=-1)


def distances(vectors: Array, rows: Array, metric: str) -> Array:
    """Squared distances `(vectors, rows)`, as `distortion` has them, by one product.

    Never below 0, and exact to the rounding of the squared lengths, relative to the mean.
    """
    if metric == "cosine":
        vectors, rows = unit(vectors), unit(rows)
    center = ops.mean(rows, axis=0)
    vectors, rows = vectors - center, rows - center
    lengths = ops.sum(vectors * vectors, axis=-1)[:, None] + ops.sum(rows * rows, axis=-1)
    return ops.maximum(lengths - 2 * product(vectors, ops.transpose(rows)), 0)
