"""Codes of several tables to their rows, summed or side by side."""

from typing import Any

import keras
import numpy as np
from keras import ops

from lamina._common import Array
from lamina._common._fast import product, take_rows, xla_compiled
from lamina.codec._codes import outside

# Stands in the place of a code that is ignored; no code becomes it, see `to_index`.
SKIP = -(2**31)


@xla_compiled
def sum_of_stages(
    codes: Array,
    tables: list[Any],
    sizes: tuple[int, ...],
    dtype: str,
    policy: str,
    skip: int | None,
) -> Array:
    """Codes `(n, stages)` -> `(n, D)`: the rows of every stage, added in their order.

    `tables` hold the rows of all stages one after another, `sizes[q]` for stage q. A table is an
    array, or (array, kernel, bias) whose rows are projected.
    """
    tables = [projected(table) for table in tables]
    return add_stages(codes, tables, sizes, dtype, policy, skip)


@xla_compiled
def stages_side_by_side(
    codes: Array,
    tables: list[Array],
    sizes: tuple[int, ...],
    dtype: str,
    policy: str,
    skip: int | None,
) -> Array:
    """Codes `(n, stages)` -> `(n, stages * D)`."""
    return join_stages(codes, tables, sizes, dtype, policy, skip)


def add_stages(
    codes: Array,
    tables: list[Array],
    sizes: tuple[int, ...],
    dtype: str,
    policy: str,
    skip: int | None,
) -> Array:
    flat, index = _one_table(codes, tables, sizes, dtype, policy, skip)
    total = take_rows(flat, index[:, 0])
    for stage in range(1, len(sizes)):
        total = total + take_rows(flat, index[:, stage])
    return total


def add_stages_at_once(
    codes: Array,
    tables: list[Array],
    sizes: tuple[int, ...],
    dtype: str,
    policy: str,
    skip: int | None,
) -> Array:
    """The same in an order that is not promised."""
    flat, index = _one_table(codes, tables, sizes, dtype, policy, skip)
    return ops.sum(take_rows(flat, index), axis=1)


def join_stages(
    codes: Array,
    tables: list[Array],
    sizes: tuple[int, ...],
    dtype: str,
    policy: str,
    skip: int | None,
) -> Array:
    flat, index = _one_table(codes, tables, sizes, dtype, policy, skip)
    return ops.reshape(take_rows(flat, index), (-1, len(sizes) * flat.shape[1]))


def _one_table(
    codes: Array,
    tables: list[Array],
    sizes: tuple[int, ...],
    dtype: str,
    policy: str,
    skip: int | None,
) -> tuple[Array, Array]:
    """All tables in one, with a row of NaN and a row of zeros at its end if codes may need them,
    and the indices into it.

    A pass over the indices is cheaper than one over the values, many times as large.
    """
    nan, zero = sum(sizes), sum(sizes) + 1
    starts, ends = _starts(sizes), _tensor(sizes)
    codes = ops.cast(codes, "int32")
    index = codes + starts
    wrong = None
    if policy == "clip":
        index = ops.minimum(ops.maximum(codes, 0), ends - 1) + starts
    elif (wrong := outside(codes, min(sizes), dtype)) is not None:
        if len(set(sizes)) > 1:
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


def _starts(sizes: tuple[int, ...]) -> Array:
    """The first row of each stage in the one table."""
    return _tensor(np.cumsum(sizes) - sizes)


def _tensor(numbers: Any) -> Array:
    """An int32 tensor, not an array: PyTorch warns of its tensors beside NumPy's arrays."""
    return ops.convert_to_tensor(np.array(numbers, "int32"), "int32")


def projected(table: Any) -> Array:
    """The table with each row projected once: a code costs no product."""
    if not isinstance(table, tuple):
        return table
    table, kernel, bias = table
    table = product(table, kernel)
    return table if bias is None else table + bias
