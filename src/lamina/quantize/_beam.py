"""The codes of a sum of rows, by a beam search through its stages."""

from keras import ops

from lamina._common import Array
from lamina._common._fast import jit_compiled
from lamina.quantize._nearest import distances


@jit_compiled
def beam_search(vectors: Array, tables: list[Array], beam: int) -> Array:
    """Codes `(n, stages)` of `vectors` `(n, d)`: of the `beam` least errors after each stage.

    The error after the last stage is the smallest among the sums that were carried; with a beam of
    all sums, it is the smallest there is.
    """
    count, features = ops.shape(vectors)[0], vectors.shape[-1]
    rest: Array = vectors[:, None]
    codes, held = ops.zeros((count, 1, 0), "int32"), 1
    for table in tables:
        size = table.shape[0]
        error = distances(ops.reshape(rest, (-1, features)), table, "euclidean")
        error = ops.reshape(error, (count, held * size))
        kept = min(beam, held * size)
        found: Array = ops.top_k(-error, kept)
        best: Array = ops.cast(found[1], "int32")
        before, code = best // size, best % size
        codes = ops.take_along_axis(codes, before[..., None], axis=1)
        codes = ops.concatenate([codes, code[..., None]], axis=-1)
        rest = ops.take_along_axis(rest, before[..., None], axis=1)
        rest = rest - ops.take(table, code, axis=0)
        held = kept
    final = ops.argmin(ops.sum(ops.square(rest), axis=-1), axis=-1)
    chosen = ops.take_along_axis(codes, ops.cast(final, "int32")[:, None, None], axis=1)
    return ops.reshape(chosen, (count, len(tables)))
