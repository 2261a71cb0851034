"""Codes of a finite scalar quantizer to their levels."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from keras import ops

from lamina._common import Array, Shape, integer, is_concrete, number, received, register
from lamina._common._fast import jit_compiled
from lamina.codec._codes import (
    StatelessCodeLayer,
    at_least_float32,
    check_compiled_policy,
    check_in_range,
    check_integer,
    check_pad_value,
    check_policy,
    is_float,
    mask_without_padding,
    outside,
    skipped,
    to_index,
)


@register
class FSQDecoder(StatelessCodeLayer):
    """Each code becomes one level a dimension, all within -1 .. 1.

        digit_i = (code // prod(levels[:i])) % levels[i]
        y_i = scale (digit_i - levels[i] // 2) / (levels[i] // 2)
        y_i = scale (2 digit_i / (levels[i] - 1) - 1)                  symmetric

    The first dimension is the least significant. There is no table: nothing to load or to train.

    Args:
        levels: Levels of each dimension, each at least 2, with a product below 2^31.
        symmetric: Levels evenly from -1 to 1, also an even number of them. Two levels are -1 and 1:
            the codes of a lookup-free quantizer.
        scale: Factor of the values.
        out_of_range: As in `CodebookDecoder`; the codes are `0 .. prod(levels) - 1`.
        pad_value: As in `CodebookDecoder`.

    Input shape:
        `(...)`: integers of any dtype, any rank, any length, 0 included.

    Output shape:
        `(..., len(levels))`

    Masking:
        A masked code is ignored and gives zeros. The mask passes on, without the padding.

    Streaming:
        Each code by itself.

    Raises:
        ValueError: for levels below 2 or more than the dtype can tell apart, an integer dtype,
            float codes, a code out of range in eager code.

    Example:
        >>> FSQDecoder([5, 3])(np.array([0, 2, 14]))
        [[-1.0, -1.0], [0.0, -1.0], [1.0, 1.0]]

    Reference:
        Mentzer et al., Finite Scalar Quantization, ICLR 2024; the order of the digits is that of
        its code and of vector-quantize-pytorch.
    """

    def __init__(
        self,
        levels: Iterable[int],
        out_of_range: str = "raise",
        pad_value: int | None = None,
        symmetric: bool = False,
        scale: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.levels = checked_levels(levels)
        self.size = math.prod(self.levels)
        self.out_of_range = check_policy(out_of_range, self)
        self.pad_value = check_pad_value(pad_value)
        self.symmetric = bool(symmetric)
        self.scale = number("scale", scale, "a factor of the values")
        if not is_float(self):
            raise ValueError(f"FSQDecoder needs a float dtype, not {self.compute_dtype}.")
        check_levels_fit(self.levels, self.compute_dtype)
        self.built = True

    def call(self, inputs: Array, mask: Array | None = None) -> Array:
        dtype = check_integer(inputs.dtype, self)
        skip = skipped(inputs, self.pad_value, mask)
        if is_concrete(inputs) and self.out_of_range == "raise":
            check_in_range(inputs, self.size, skip)
        if not is_concrete(inputs):
            check_compiled_policy(self.out_of_range, self)
        index = to_index(inputs, self.size)
        wrong = outside(index, self.size, dtype)
        levels = tuple(self.levels)
        policy, dtype = self.out_of_range, self.compute_dtype
        return _values(index, levels, wrong, skip, policy, dtype, self.symmetric, self.scale)

    def compute_mask(self, inputs: Array, previous_mask: Array | None = None) -> Array | None:
        return mask_without_padding(inputs, self.pad_value, previous_mask)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, len(self.levels))

    def encode(self, values: Array) -> np.ndarray:
        """The code of the nearest levels (NumPy): `(..., dimensions) -> (...)`, int32."""
        values = np.asarray(values, "float64")
        levels = np.array(self.levels)
        half = (levels - 1) / 2 if self.symmetric else levels // 2
        digits = np.clip(np.rint(values / self.scale * half + half), 0, levels - 1)
        weights = np.cumprod([1, *self.levels[:-1]])
        return (digits.astype("int64") @ weights).astype("int32")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "levels": list(self.levels),
            "out_of_range": self.out_of_range,
            "pad_value": self.pad_value,
            "symmetric": self.symmetric,
            "scale": self.scale,
        }


def checked_levels(levels: Iterable[int]) -> list[int]:
    """Numbers of levels as plain ints: codes are int32."""
    levels = [integer("levels", n, "numbers of levels, each", low=2) for n in levels]
    if not levels or math.prod(levels) >= 2**31:
        raise ValueError(
            "`levels` must be at least one number of levels, with a product below 2^31. "
            f"{received('levels', levels)}"
        )
    return levels


# Bits of the numbers that each dtype holds; the levels are computed in float32 at least, where
# rounding decides between more than 2^23.
_PRECISION = {"bfloat16": 8, "float16": 11}
_MOST_PRECISION = 22


def check_levels_fit(levels: list[int], dtype: str) -> None:
    """An error where two levels between -1 and 1 would become one number of `dtype`."""
    most = 2 ** (_PRECISION.get(dtype, _MOST_PRECISION) + 1)
    if max(levels) > most:
        raise ValueError(
            f"`levels` must be at most {most} for {dtype}, which holds no more numbers that far "
            "apart between -1 and 1. Use fewer levels, more features, or a wider `dtype`. "
            f"{received('levels', levels)}"
        )


def level_values(digits: Array, count: int, symmetric: bool, scale: float, dtype: str) -> Array:
    """The values of the levels `digits` of `count`: one rounding of each, then its scale."""
    if symmetric:
        values = ops.cast(2 * digits - (count - 1), dtype) / float(count - 1)
    else:
        values = ops.cast(digits - count // 2, dtype) / float(count // 2)
    return values if scale == 1 else values * scale


@jit_compiled
def _values(
    index: Array,
    levels: tuple[int, ...],
    wrong: Array | None,
    skip: Array | None,
    policy: str,
    dtype: str,
    symmetric: bool,
    scale: float,
) -> Array:
    """The levels of every index, but for those marked in `wrong` (see `policy`) and `skip` (0)."""
    index = ops.clip(index, 0, math.prod(levels) - 1)
    # Narrow floats would round twice: before and after the division.
    wide = at_least_float32(dtype)
    values, weight = [], 1
    for count in levels:
        digit = ops.mod(ops.floor_divide(index, weight), count)
        values.append(level_values(digit, count, symmetric, scale, wide))
        weight *= count
    y = ops.cast(ops.stack(values, axis=-1), dtype)
    if wrong is not None and policy != "clip":
        fill = 0.0 if policy == "zero" else float("nan")
        y = ops.where(wrong[..., None], ops.cast(fill, dtype), y)
    return y if skip is None else ops.where(skip[..., None], ops.cast(0, dtype), y)
