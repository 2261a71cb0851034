"""Differences to values."""

from typing import Any

import numpy as np
from keras import ops

from lamina._common import Array, Shape, State, integer, positive_integer, received, register
from lamina.codec._codes import CodeLayer, check_integer, with_trailing_axes

# Sums are taken in blocks, so that numbers below the largest modulus never leave int32: 2^10 of
# them add up to less than 2^25, and what 2^16 blocks leave, each below it, to less than 2^31.
_BLOCK = 1 << 10
_LARGEST_MODULUS = 1 << 15


@register
class DeltaDecoder(CodeLayer):
    """Running sums over time: what first or second differences were taken from.

        order 1:  y[t] = x[0] + ... + x[t]
        order 2:  that, twice
        modulus:  y[t] = (the same) mod modulus, within 0 .. modulus - 1

    The arithmetic is that of 32-bit integers: beyond them it wraps, as the formats do that store
    such differences. Before the first value there is 0: it is stored as it is.

    Args:
        order: 1 or 2.
        modulus: For counters that wrap: a power of two, or any number up to 32768.
        dtype: Of the output; `"int32"` by default.

    Input shape:
        `(batch, time, ...)`: integers of any dtype. `time` may be unknown or 0.

    Output shape:
        As the input.

    Masking:
        A masked difference counts as 0 and its output is 0. The mask passes on.

    Streaming:
        Exact to the bit for any split. State `sum_1` (and `sum_2`): `(batch, ...)`.

    Raises:
        ValueError: for another order, a modulus that cannot be exact, float input.

    Example:
        >>> DeltaDecoder()(np.array([[5, 1, -2, 0]]))
        [[5, 6, 4, 4]]
        >>> DeltaDecoder(order=2, modulus=10)(np.array([[7, 1, 1, 0]]))
        [[7, 5, 4, 3]]

    Reference:
        Apache Parquet format, DELTA_BINARY_PACKED; WFDB format 8 (`PackedSampleDecoder(8, ...)`).
    """

    def __init__(self, order: int = 1, modulus: int | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "int32")
        super().__init__(**kwargs)
        self.order = integer("order", order, "the order of the differences", 1, 2)
        self.modulus = modulus
        if modulus is not None:
            self.modulus = positive_integer("modulus", modulus, "the number at which values wrap")
            if self.modulus > _LARGEST_MODULUS and not _wraps_with_int32(self.modulus):
                raise ValueError(
                    "`modulus` must be a power of two up to 2^31, or at most 32768: others cannot "
                    f"be exact in 32 bits. {received('modulus', modulus)}"
                )

    def build(self, input_shape: Shape) -> None:
        if len(input_shape) < 2:
            raise ValueError(
                f"`inputs` must be (batch, time, ...). {received('shape', input_shape)}"
            )
        self.item = tuple(input_shape[2:])

    @property
    def receptive_field(self) -> float:
        return float("inf")

    def initial_state(self, batch: int) -> State:
        shape = (batch, *self.item)
        return {f"sum_{n}": ops.zeros(shape, "int32") for n in range(1, self.order + 1)}

    def step(self, x: Array, state: State, mask: Array | None = None) -> tuple[Array, State]:
        check_integer(x.dtype, self)
        y, after = ops.cast(x, "int32"), {}
        if mask is not None:
            mask = with_trailing_axes(mask, len(self.item))
            y = ops.where(mask, y, 0)
        for name, before in state.items():
            y = self._running_sum(y, before)
            after[name] = ops.concatenate([before[:, None], y], axis=1)[:, -1]
        y = ops.cast(y, self.compute_dtype)
        return (y if mask is None else ops.where(mask, y, ops.cast(0, y.dtype))), after

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)

    def encode(self, values: Array) -> np.ndarray:
        """Differences of integers `(batch, time, ...)`, in NumPy; int32."""
        values = np.asarray(values)
        for _ in range(self.order):
            values = np.diff(values.astype("int64"), axis=1, prepend=0)
        if self.modulus is not None:
            values = values % self.modulus
        return values.astype("int32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "order": self.order, "modulus": self.modulus}

    def _running_sum(self, x: Array, before: Array) -> Array:
        if self.modulus is None or _wraps_with_int32(self.modulus):
            y = ops.cumsum(x, axis=1, dtype="int32") + before[:, None]
            return y if self.modulus is None else _wrapped(y, self.modulus)
        total = _modular_sum(ops.mod(x, self.modulus), self.modulus)
        return ops.mod(total + before[:, None], self.modulus)


def _wraps_with_int32(modulus: int) -> bool:
    """Does it divide 2^32? Then sums that wrap in int32 are still right."""
    return modulus & (modulus - 1) == 0 and modulus <= 1 << 31


def _wrapped(y: Array, modulus: int) -> Array:
    """`y` mod a power of two; 2^31 itself is no int32."""
    if modulus < 1 << 31:
        return ops.mod(y, modulus)
    return ops.where(y < 0, y + (-(2**31)), y)


def _modular_sum(x: Array, modulus: int) -> Array:
    """Running sum of numbers below `modulus` by blocks, so that no sum leaves int32."""
    batch, time = ops.shape(x)[:2]
    blocks = (time + _BLOCK - 1) // _BLOCK
    item = tuple(x.shape[2:])
    padding = ((0, 0), (0, blocks * _BLOCK - time), *[(0, 0)] * len(item))
    x = ops.reshape(ops.pad(x, padding), (batch, blocks, _BLOCK, *item))
    inside = ops.mod(ops.cumsum(x, axis=2, dtype="int32"), modulus)
    last = inside[:, :, -1]
    before = ops.cumsum(last, axis=1, dtype="int32") - last
    y = ops.mod(inside + ops.mod(before, modulus)[:, :, None], modulus)
    return ops.reshape(y, (batch, blocks * _BLOCK, *item))[:, :time]
