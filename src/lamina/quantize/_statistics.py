"""What training does to a table: count and sum the vectors, move the rows, replace dead rows."""

from lamina._common import Array, branch
from lamina._common._direct import direct as ops
from lamina._common._fast import segment_sum

# In place of 0 in a logarithm and a divisor; its own inverse is still a float32.
TINY = 1e-30

# Where a hit count passes this, all are halved: their shares stay, and no sum leaves int32.
MOST_HITS = 2**30


def counted(hits: Array, here: Array) -> Array:
    """int32 `hits` and those of one batch together, but for a common factor."""
    full = ops.max(ops.maximum(hits, here)) > MOST_HITS
    # Rounded up, so that a row that was ever used stays so.
    return branch(full, lambda: hits - hits // 2 + (here - here // 2), lambda: hits + here)


def tally(vectors: Array, codes: Array, rows: int) -> tuple[Array, Array]:
    """(int32 number, sum) of the vectors of each row; a code of -1 belongs to none."""
    codes = ops.where(codes < 0, rows, codes)
    number = segment_sum(ops.ones_like(codes), codes, rows + 1)[:rows]
    return number, segment_sum(vectors, codes, rows + 1)[:rows]


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
    waits = -ops.log(ops.maximum(draw, TINY)) / ops.maximum(weight, TINY)
    order = ops.argsort(ops.where(valid, waits, float("inf")))
    rank = ops.cumsum(ops.cast(which, "int32")) - 1
    replaced = ops.logical_and(which, rank < ops.sum(ops.cast(valid, "int32")))
    picked = ops.take(order, ops.where(replaced, rank, 0), axis=0)
    return ops.where(replaced[:, None], ops.take(vectors, picked, axis=0), table), replaced
