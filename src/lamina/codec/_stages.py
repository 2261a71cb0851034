"""Codes of several tables to their rows, summed or side by side."""

from keras import ops

from lamina._common._fast import island
from lamina.codec._table import rows

# Stands in a code's place where the code is not looked at.
SKIP = -(2**31)


@island
def sum_of_stages(codes, tables, dtype, policy, skip):
    """Codes `(n, stages)` -> `(n, D)`: the rows of every stage, added in their order."""
    return add_stages(codes, tables, dtype, policy, skip)


@island
def stages_side_by_side(codes, tables, dtype, policy, skip):
    """Codes `(n, stages)` -> `(n, stages * D)`."""
    return ops.concatenate(list(stage_rows(codes, tables, dtype, policy, skip)), axis=-1)


def add_stages(codes, tables, dtype, policy, skip):
    total = None
    for values in stage_rows(codes, tables, dtype, policy, skip):
        total = values if total is None else total + values
    return total


def stage_rows(codes, tables, dtype, policy, skip):
    """The rows of each stage. A table is an array, or (array, kernel, bias) to project its rows."""
    for stage, table in enumerate(tables):
        index = ops.cast(codes[:, stage], "int32")
        left_out = None if skip is None else ops.equal(index, skip)
        if not isinstance(table, tuple):
            yield rows(table, index, dtype, policy, left_out)
            continue
        table, kernel, bias = table
        values = ops.matmul(rows(table, index, dtype, policy, left_out), kernel)
        if bias is not None:
            values = values + bias
        yield values if left_out is None else ops.where(left_out[:, None], 0, values)
