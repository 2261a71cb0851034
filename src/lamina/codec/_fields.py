"""Numbers that lie in bit fields of bytes: one arithmetic for every packed layout.

A layout is a tuple of numbers, each a tuple of parts from the least to the most significant; a
part `(byte, low, bits)` is that many bits of that byte from bit `low` on, 0 the least significant.
Division and remainder stand for shift and mask, since they export to LiteRT and ONNX.
"""

from typing import TypeAlias

import numpy as np
from keras import ops

from lamina._common import Array, received

SIGNS = (False, True, "offset")
Parts: TypeAlias = tuple[tuple[int, int, int], ...]
Layout: TypeAlias = tuple[Parts, ...]


def width(parts: Parts) -> int:
    """Bits of a number."""
    return sum(bits for _, _, bits in parts)


def unpack(data: Array, layout: Layout, signed: bool | str) -> Array:
    """uint8 `(..., bytes)` -> int32 `(..., numbers)`.

    `signed`: False, True (two's complement) or "offset" (the middle of the range is 0).
    """
    columns = {}
    for byte in sorted({part[0] for parts in layout for part in parts}):
        columns[byte] = ops.cast(data[..., byte], "int32")
    return ops.stack([_number(columns, parts, signed) for parts in layout], axis=-1)


def pack(values: Array, layout: Layout, signed: bool | str, size: int) -> np.ndarray:
    """Integers `(rows, numbers)` -> uint8 `(rows, size)`, in NumPy; the inverse of `unpack`."""
    values = np.asarray(values, "int64")
    data = np.zeros((len(values), size), "uint8")
    for column, parts in zip(values.T, layout, strict=True):
        column = column + ((1 << width(parts) - 1) if signed == "offset" else 0)
        for byte, low, bits in parts:
            data[:, byte] |= ((column % (1 << bits)) << low).astype("uint8")
            column = column >> bits
    return data


def limits(bits: int, signed: bool | str) -> tuple[int, int]:
    """Smallest and largest number of so many bits."""
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


def check_limits(
    name: str, values: np.ndarray, bits: int, signed: bool | str, where: str = ""
) -> None:
    """A ValueError for integers that so many bits cannot hold."""
    low, high = limits(bits, signed)
    if values.size and not low <= values.min() <= values.max() <= high:
        found = received("smallest", int(values.min()), largest=int(values.max()))
        raise ValueError(f"`{name}` must lie in {low}..{high}{where}. {found}")


def _number(columns: dict[int, Array], parts: Parts, signed: bool | str) -> Array:
    """The sum of the parts. The sign lies in the top part: nothing leaves int32."""
    total, weight = 0, 1
    for position, (byte, low, bits) in enumerate(parts):
        part = columns[byte]
        if low:
            part = ops.floor_divide(part, 1 << low)
        if low + bits < 8:
            part = ops.mod(part, 1 << bits)
        if signed and position == len(parts) - 1:
            half = 1 << bits - 1
            part = part - half if signed == "offset" else ops.mod(part + half, 2 * half) - half
        total = total + part * weight
        weight <<= bits
    return total
