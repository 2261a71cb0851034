"""Packed bits to integers."""

from typing import Any, Literal

import numpy as np
from keras import ops

from lamina._common import (
    Array,
    Shape,
    choice,
    integer,
    positive_integer,
    received,
    register,
)
from lamina._common._fast import xla_compiled
from lamina.codec._codes import StatelessCodeLayer, check_bytes
from lamina.codec._fields import SIGNS, Layout, check_limits, pack, unpack

# Float32 holds every integer of 24 bits.
_MOST_BITS = 24


@register
class BitUnpack(StatelessCodeLayer):
    """Integers of 1 to 24 bits from the bytes into which they were packed without gaps.

        little:  code_j = sum_i bit[j * bits + i] << i
        big:     code_j = sum_i bit[j * bits + i] << bits - 1 - i

    where bit n of a row is bit n % 8 of byte n // 8, counted from the least significant (little) or
    from the most significant (big).

    Every row of `count` codes starts at a byte: `ceil(count * bits / 8)` bytes a row; bits left
    over at its end are ignored.

    Args:
        bits: Bits a code, 1 to 24.
        count: Codes a row.
        bit_order: `"little"`: least significant bit first, as faiss, Arrow and Parquet pack;
            `"big"`: most significant bit first, as DICOM, TIFF and `np.packbits` do.
        signed: False; True for two's complement; `"offset"`: `2^(bits - 1)` stands for 0.
        dtype: Of the output; `"int32"` by default.

    Input shape:
        `(..., ceil(count * bits / 8))`, uint8.

    Output shape:
        `(..., count)`

    Masking:
        The mask passes on.

    Streaming:
        Each row by itself.

    Raises:
        ValueError: for bits outside 1 to 24, rows of the wrong length, input that is not uint8.

    Example:
        >>> BitUnpack(4, 3)(np.array([[33, 3]], "uint8"))
        [[1, 2, 3]]
        >>> BitUnpack(12, 1, bit_order="big", signed=True)(np.array([[255, 240]], "uint8"))
        [[-1]]

    Reference:
        Apache Parquet format, Encodings: RLE / bit-packing hybrid.
    """

    def __init__(
        self,
        bits: int,
        count: int,
        bit_order: Literal["little", "big"] = "little",
        signed: bool | Literal["offset"] = False,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("dtype", "int32")
        super().__init__(**kwargs)
        self.bits = integer("bits", bits, "a number of bits", 1, _MOST_BITS)
        self.count = positive_integer("count", count, "a number of codes a row")
        self.bit_order = choice("bit_order", bit_order, ("little", "big"))
        self.signed = choice("signed", signed, SIGNS)
        self.bytes_per_row = -(-self.count * self.bits // 8)
        self.built = True

    def call(self, inputs: Array, mask: Array | None = None) -> Array:
        self.check_inputs(inputs)
        rows = ops.reshape(inputs, (-1, self.bytes_per_row))
        codes = unpack_rows(
            rows, self.bits, self.count, self.bit_order, self.signed, self.compute_dtype
        )
        return ops.reshape(codes, (*ops.shape(inputs)[:-1], self.count))

    def check_inputs(self, inputs: Array) -> None:
        check_bytes(inputs.dtype, self)
        self._check_shape(inputs.shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_shape(input_shape)
        return (*input_shape[:-1], self.count)

    def encode(self, codes: Array) -> np.ndarray:
        """Integers `(..., count)` to bytes, in NumPy."""
        codes = np.asarray(codes)
        check_limits("codes", codes, self.bits, self.signed)
        layout = row_layout(self.bits, self.count, self.bit_order)
        rows = codes.reshape(-1, self.count)
        data = pack(rows, layout, self.signed, self.bytes_per_row)
        return data.reshape(*codes.shape[:-1], self.bytes_per_row)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "bits": self.bits,
            "count": self.count,
            "bit_order": self.bit_order,
            "signed": self.signed,
        }

    def _check_shape(self, shape: Shape) -> None:
        if not shape or shape[-1] not in (None, self.bytes_per_row):
            raise ValueError(
                f"`inputs` must be (..., {self.bytes_per_row}): {self.count} codes of {self.bits} "
                f"bits take {self.bytes_per_row} bytes. {received('shape', tuple(shape))}"
            )


@xla_compiled
def unpack_rows(
    rows: Array, bits: int, count: int, bit_order: str, signed: bool | str, dtype: str
) -> Array:
    """uint8 `(rows, bytes)` -> `(rows, count)`.

    A long row is cut into the smallest groups that fill their bytes: all groups have one layout, so
    that the number of operations does not grow with `count`.
    """
    step = _codes_per_group(bits)
    groups, rest = divmod(count, step)
    if groups <= 1:
        return ops.cast(unpack(rows, row_layout(bits, count, bit_order), signed), dtype)
    size = step * bits // 8
    filled = ops.reshape(rows[:, : groups * size], (-1, size))
    codes = unpack(filled, row_layout(bits, step, bit_order), signed)
    codes = ops.reshape(codes, (-1, groups * step))
    if rest:
        tail = unpack(rows[:, groups * size :], row_layout(bits, rest, bit_order), signed)
        codes = ops.concatenate([codes, tail], axis=1)
    return ops.cast(codes, dtype)


def row_layout(bits: int, count: int, bit_order: str) -> Layout:
    """The layout of a row; see `_fields`."""
    layout = []
    for start in range(0, count * bits, bits):
        parts, position = [], start
        while position < start + bits:
            byte, used = divmod(position, 8)
            take = min(8 - used, start + bits - position)
            parts.append((byte, used if bit_order == "little" else 8 - used - take, take))
            position += take
        layout.append(tuple(parts if bit_order == "little" else parts[::-1]))
    return tuple(layout)


def _codes_per_group(bits: int) -> int:
    """The fewest codes that fill their last byte."""
    codes = 1
    while codes * bits % 8:
        codes *= 2
    return codes
