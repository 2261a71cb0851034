"""Rows of a table of a decoder, by the policy for codes out of range."""

import numpy as np
from keras import ops

from lamina._common import Array
from lamina._common._fast import jit_compiled, take_rows, to_end
from lamina.codec._codes import outside, with_trailing_axes

# A table of up to this many numbers (256 KiB of float32) is copied with rows for NaN and zero at
# its end, which costs less than a pass over the decoded values; a larger one is not.
_SMALL = 1 << 16


@jit_compiled
def rows(table: Array, index: Array, dtype: str, policy: str, skip: Array | None = None) -> Array:
    """`table[index]` by `policy` where the index is outside, zeros where `skip` is set.

    `index` is int32, made from codes of `dtype`; 'raise' acts as 'nan'.
    """
    size = table.shape[0]
    wrong = outside(index, size, dtype)
    if wrong is not None and policy == "clip":
        index, wrong = ops.clip(index, 0, size - 1), None
    fill = 0.0 if policy == "zero" else float("nan")
    special = [(w, f) for w, f in ((wrong, fill), (skip, 0.0)) if w is not None]
    if not special:
        return take_rows(table, index)
    if int(np.prod(table.shape)) <= _SMALL:
        if wrong is not None:
            index = to_end(index, wrong, size)
        if skip is not None:
            index = ops.where(skip, size + len(special) - 1, index)
        extra = [ops.full((1, *table.shape[1:]), f, table.dtype) for _, f in special]
        return take_rows(ops.concatenate([table, *extra], axis=0), index)
    for where, _ in special:
        index = ops.where(where, 0, index)
    values = take_rows(table, index)
    for where, f in special:
        where = with_trailing_axes(where, len(table.shape) - 1)
        values = ops.where(where, ops.cast(f, table.dtype), values)
    return values
