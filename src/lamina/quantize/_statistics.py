"""What training does to a table: tally the vectors, move the rows, put new rows in."""

from keras import ops

from lamina.quantize._nearest import misfit, nearest

# Lloyd's iterations of a k-means start: further ones change the distortion by a few per cent.
ITERATIONS = 10


def tally(vectors, codes, rows):
    """(number, sum) of the vectors of each row; a code of -1 belongs to none."""
    codes = ops.where(codes < 0, rows, codes)
    ones = ops.ones_like(vectors[:, 0])
    number = ops.segment_sum(ones, codes, num_segments=rows + 1)[:rows]
    total = ops.segment_sum(vectors, codes, num_segments=rows + 1)[:rows]
    return number, total


def moved(table, counts, number, total, decay):
    """(table, counts) after one step of the exponential moving averages

        N' = d N + (1 - d) n        (N c)' = d N c + (1 - d) s        c' = (N c)' / N'

    written as a step of c, so that a row without vectors does not move at all.
    """
    counts = decay * counts + (1 - decay) * number
    step = (1 - decay) * (total - number[:, None] * table)
    return table + step / ops.where(counts > 0, counts, 1)[:, None], counts


def reseeded(table, which, vectors, valid, draw, weight):
    """(table, replaced): the rows of `which` become vectors, drawn in proportion to `weight`.

    No vector is taken twice; with fewer `valid` vectors than rows, the last rows stay. `draw` is
    uniform on (0, 1): sampling without replacement after Efraimidis and Spirakis (2006).
    """
    tiny = 1e-30
    late = -ops.log(ops.maximum(draw, tiny)) / ops.maximum(weight, tiny)
    order = ops.argsort(ops.where(valid, late, float("inf")))
    rank = ops.cumsum(ops.cast(which, "int32")) - 1
    replaced = ops.logical_and(which, rank < ops.sum(ops.cast(valid, "int32")))
    picked = ops.take(order, ops.where(replaced, rank, 0))
    return ops.where(replaced[:, None], ops.take(vectors, picked, axis=0), table), replaced


def kmeans(table, counts, vectors, valid, draw, metric, decay):
    """`table` after some iterations of k-means on the vectors.

    Rows with `counts` of 0 start on vectors of this batch; the others carry earlier batches on.
    A row that loses all its vectors moves to one that is far from every row, as in k-means++.
    """
    empty = counts == 0
    table, _ = reseeded(table, empty, vectors, valid, draw, ops.ones_like(draw))

    def iteration(_, now):
        codes = ops.where(valid, nearest(vectors, now, metric), -1)
        number, total = tally(vectors, codes, table.shape[0])
        weight = misfit(vectors, ops.take(now, ops.maximum(codes, 0), axis=0), metric)
        now, _ = moved(now, counts, number, total, decay)
        lost = ops.logical_and(empty, number == 0)
        return reseeded(now, lost, vectors, valid, draw, weight)[0]

    return ops.fori_loop(0, ITERATIONS, iteration, table)
