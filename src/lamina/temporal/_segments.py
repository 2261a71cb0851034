"""Where the memory of each step begins, when rows start again and start late.

Places count along `seen`: `memory` samples of the past, then the block of n steps. Everything is
also given for the step after the block, which is what the next state is made from.
"""

from typing import Any

from keras import ops

from lamina._common import Array
from lamina.temporal._scan import scan_time


def steps(n: Any) -> Array:
    """The numbers of n steps."""
    return ops.arange(n, dtype="int32")


def begins(reset: Array, n: Any, memory: int) -> Array:
    """The place where the row of each step last started again; 0 if not in this block."""
    places = memory + steps(n + 1)
    return scan_time(ops.maximum, ops.where(_one_more(reset), places, 0), 0)


def first_valid(begin: Array, n: Any, memory: int, started: Array, mask: Array) -> Array:
    """The place of the first valid sample at or after each of `begin`; the end if there is none."""
    end = memory + n
    valid = ops.where(_one_more(mask), memory + steps(n + 1), end)
    valid = ops.flip(scan_time(ops.minimum, ops.flip(valid, axis=1), end), axis=1)
    unbroken = ops.where(started[:, None], 0, valid[:, :1])
    here = ops.take_along_axis(valid, ops.maximum(begin - memory, 0), axis=1)
    return ops.where(begin == 0, unbroken, here)


def first_valid_in_row(n: Any, memory: int, started: Array, mask: Array) -> Array:
    """As `first_valid` of rows that do not start again: one place a row, `(batch, 1)`."""
    offset: Array = ops.cast(ops.argmax(ops.cast(_one_more(mask), "int32"), axis=1), "int32")
    first = memory + offset
    empty = ops.logical_not(ops.any(mask, axis=1))
    first = ops.where(empty, memory + n, first)
    return ops.where(started, 0, first)[:, None]


def at(seen: Array, places: Array) -> Array:
    """`seen` at `places` `(batch, k)`; 0 just past its end."""
    padded = ops.pad(seen, [[0, 0], [0, 1], [0, 0]])
    return ops.take_along_axis(padded, places[..., None], axis=1)


def all_valid(x: Array) -> Array:
    """The mask of a block without one."""
    return ops.ones(ops.shape(x)[:2], "bool")


def _one_more(marks: Array) -> Array:
    """`marks` and a false one for the step after the block: no row is ever empty."""
    return ops.pad(marks, [[0, 0], [0, 1]])
