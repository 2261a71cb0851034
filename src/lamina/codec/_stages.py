"""Codes of several tables to their rows, summed or side by side."""

import keras
import numpy as np
from keras import ops

from lamina._common._fast import product, take_rows, xla_compiled
from lamina.codec._codes import outside

# Stands in a code's place where the code is not looked at.
SKIP = -(2**31)


@xla_compiled
def sum_of_stages(codes, tables, sizes, dtype, policy, skip):
    """Codes `(n, stages)` -> `(n, D)`: the rows of every stage, added in their order.

    `tables` hold the rows of all stages one after another, `sizes[q]` for stage q. A table is an
    array, or (array, kernel, bias) whose rows are projected.
    """
    tables = [projected(table) for table in tables]
    return add_stages(codes, tables, sizes, dtype, policy, skip)


@xla_compiled
def stages_side_by_side(codes, tables, sizes, dtype, policy, skip):
    """Codes `(n, stages)` -> `(n, stages * D)`."""
    return join_stages(codes, tables, sizes, dtype, policy, skip)


def add_stages(codes, tables, sizes, dtype, policy, skip):
    flat, index = _one_table(codes, tables, sizes, dtype, policy, skip)
    total = take_rows(flat, index[:, 0])
    for stage in range(1, len(sizes)):
        total = total + take_rows(flat, index[:, stage])
    return total


def add_stages_at_once(codes, tables, sizes, dtype, policy, skip):
    """The same in an order that is not promised."""
    flat, index = _one_table(codes, tables, sizes, dtype, policy, skip)
    return ops.sum(take_rows(flat, index), axis=1)


def join_stages(codes, tables, sizes, dtype, policy, skip):
    flat, index = _one_table(codes, tables, sizes, dtype, policy, skip)
    return ops.reshape(take_rows(flat, index), (-1, len(sizes) * flat.shape[1]))


def _one_table(codes, tables, sizes, dtype, policy, skip):
    """All tables in one, with a row of NaN and a row of zeros at its end if codes may need them,
    and the indices into it.

    A pass over the indices is cheaper than one over the values, many times as large.
    """
    sizes = np.array(sizes, "int32")
    starts = np.cumsum(sizes, dtype="int32") - sizes
    nan, zero = int(sizes.sum()), int(sizes.sum()) + 1
    # Tensors, not arrays: PyTorch warns where its tensors meet NumPy's arrays.
    starts, ends = (ops.convert_to_tensor(x, "int32") for x in (starts, sizes))
    codes = ops.cast(codes, "int32")
    index = codes + starts
    wrong = None
    if policy == "clip":
        index = ops.minimum(ops.maximum(codes, 0), ends - 1) + starts
    elif (wrong := outside(codes, int(sizes.min()), dtype)) is not None:
        if len(set(sizes.tolist())) > 1:
            wrong = ops.logical_or(codes < 0, codes >= ends)
        index = ops.where(wrong, zero if policy == "zero" else nan, index)
    if skip is not None:
        index = ops.where(ops.equal(codes, skip), zero, index)
    if wrong is None and skip is None:
        return ops.concatenate(tables, axis=0) if len(tables) > 1 else tables[0], index
    # An integer table never uses the first: its layer has refused to be compiled.
    first = float("nan") if keras.backend.is_float_dtype(tables[0].dtype) else 0
    extra = [ops.full((1, tables[0].shape[1]), x, tables[0].dtype) for x in (first, 0)]
    return ops.concatenate([*tables, *extra], axis=0), index


def projected(table):
    """The table with its projection done once a row: a code costs no product."""
    if not isinstance(table, tuple):
        return table
    table, kernel, bias = table
    table = product(table, kernel)
    return table if bias is None else table + bias
