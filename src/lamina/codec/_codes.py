"""What every layer on integer codes shares: the dtype check, the range policies, the index."""

from typing import Any

import keras
import numpy as np
from keras import ops

from lamina._common import Array, Causal, Stateless, choice, integer, received, to_numpy

POLICIES = ("raise", "nan", "clip", "zero")
_LARGEST = {"int8": 127, "uint8": 255, "int16": 32767, "uint16": 65535}
_SIGNED = ("int8", "int16", "int32", "int64")
_BEYOND_INT32 = ("int64", "uint32", "uint64")


class CodeLayer(Causal):
    """Base of the layers whose input is integers: they are never cast, and never floats."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.supports_masking = True

    def check_inputs(self, inputs: Array) -> None:
        """A ValueError for inputs, symbolic ones too, that can never be decoded."""
        check_integer(inputs.dtype, self)

    def compute_output_spec(self, inputs: Array, *args: Any, **kwargs: Any) -> keras.KerasTensor:
        self.check_inputs(inputs)
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), self.compute_dtype)


class StatelessCodeLayer(CodeLayer, Stateless):
    """Base of the layers on integers that treat every position by itself."""


def check_integer(dtype: Any, layer: keras.layers.Layer) -> str:
    """The name of an integer dtype, or a ValueError that names the repair."""
    dtype = keras.backend.standardize_dtype(dtype)
    if not dtype.startswith(("int", "uint")):
        raise ValueError(
            f"`inputs` of {type(layer).__name__} {layer.name!r} must be integer codes. "
            "In a Functional model write `keras.Input(..., dtype='int32')`; elsewhere cast them "
            f"where they are made. {received('dtype', dtype)}"
        )
    return dtype


def check_bytes(dtype: Any, layer: keras.layers.Layer) -> None:
    """A ValueError that names the repair for what is not bytes."""
    dtype = keras.backend.standardize_dtype(dtype)
    if dtype != "uint8":
        raise ValueError(
            f"`inputs` of {type(layer).__name__} {layer.name!r} must be bytes: "
            "`np.frombuffer(data, 'uint8')`; in a Functional model "
            f"`keras.Input(..., dtype='uint8')`. {received('dtype', dtype)}"
        )


def check_policy(out_of_range: Any, layer: keras.layers.Layer) -> str:
    """A policy that the layer's dtype can hold."""
    choice("out_of_range", out_of_range, POLICIES)
    if out_of_range == "nan" and not is_float(layer):
        raise ValueError(
            f"`out_of_range='nan'` needs a float dtype: {layer.compute_dtype} has no NaN. "
            "Choose 'clip' or 'zero'."
        )
    return out_of_range


def check_pad_value(pad_value: Any) -> int | None:
    """A code for padding as a plain int, or None."""
    return None if pad_value is None else integer("pad_value", pad_value, "an integer code")


def check_compiled_policy(out_of_range: str, layer: keras.layers.Layer) -> None:
    """Compiled code cannot raise: an integer layer, which has no NaN, cannot mark such a code."""
    if out_of_range == "raise" and not is_float(layer):
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r} gives {layer.compute_dtype}, which has no NaN, "
            "so compiled code cannot mark a code out of range. "
            "Choose out_of_range='clip' or 'zero', or a float dtype. "
            f"{received('out_of_range', out_of_range)}"
        )


def is_float(layer: keras.layers.Layer) -> bool:
    """Does the layer give floats?"""
    return keras.backend.is_float_dtype(layer.compute_dtype)


def at_least_float32(dtype: str) -> str:
    """The float dtype in which values of `dtype` are computed, to be rounded to it once.

    Not `keras.backend.result_type`: with "float32" it makes float32 of float64 on JAX and PyTorch.
    """
    return "float64" if dtype == "float64" else "float32"


def check_in_range(codes: Array, size: int, skip: Array | None = None) -> None:
    """ValueError for the first concrete code outside `0 .. size - 1` where `skip` is not set."""
    codes = to_numpy(codes)
    outside = (codes < 0) | (codes >= size)
    if skip is not None:
        outside &= ~to_numpy(skip)
    if outside.any():
        where = tuple(int(i) for i in np.argwhere(outside)[0])
        raise ValueError(
            f"`codes` must lie in 0..{size - 1}. {received('code', int(codes[where]))} at position "
            f"{where} ({int(outside.sum())} of {codes.size} are outside). Repair the data, give "
            "the code for padding as `pad_value`, or choose out_of_range='nan', 'clip' or 'zero'."
        )


def equals(codes: Array, value: int) -> Array:
    """`codes == value`, False where the dtype of `codes` cannot hold `value`."""
    info = np.iinfo(keras.backend.standardize_dtype(codes.dtype))
    if not info.min <= value <= info.max:
        return ops.zeros_like(codes, dtype="bool")
    return ops.equal(codes, ops.cast(value, codes.dtype))


def to_index(codes: Array, size: int, first: int = 0) -> Array:
    """`codes - first` as int32; what lies outside `0 .. size - 1` still does, and is not -1 if it
    was not: -1 has a meaning of its own in some layers.
    """
    dtype = keras.backend.standardize_dtype(codes.dtype)
    if dtype in _BEYOND_INT32:
        # Not `minimum`: Keras' own makes int64 int32 first on PyTorch.
        codes = ops.clip(codes, first - 2 if dtype in _SIGNED else 0, first + size)
    index = ops.cast(codes, "int32")
    return index - first if first else index


def outside(index: Array, size: int, dtype: str) -> Array | None:
    """Where an int32 index made from codes of `dtype` leaves the table; None: it never can."""
    above = None if _LARGEST.get(dtype, size) < size else ops.greater_equal(index, size)
    below = ops.less(index, 0) if dtype in _SIGNED else None
    if above is None or below is None:
        return above if below is None else below
    return ops.logical_or(below, above)


def skipped(codes: Array, pad_value: int | None = None, mask: Array | None = None) -> Array | None:
    """Where a code is ignored: padding, or masked. None: nowhere."""
    padding = None if pad_value is None else equals(codes, pad_value)
    if mask is None:
        return padding
    mask = ops.logical_not(ops.cast(mask, "bool"))
    mask = with_trailing_axes(mask, len(codes.shape) - len(mask.shape))
    mask = ops.logical_or(mask, ops.zeros_like(codes, dtype="bool"))
    return mask if padding is None else ops.logical_or(mask, padding)


def mask_without_padding(codes: Array, pad_value: int | None, mask: Array | None) -> Array | None:
    """The mask that passes on: False at padding too."""
    return mask if pad_value is None else ops.logical_not(skipped(codes, pad_value, mask))


def with_trailing_axes(flags: Array, count: int) -> Array:
    """`flags` with `count` more axes of size 1, to broadcast against an array of that rank."""
    return ops.reshape(flags, (*shape_of(flags), *[1] * count))


def shape_of(x: Array) -> Array:
    """`ops.shape(x)`, a tuple; Keras' own types let it be None."""
    return ops.shape(x)
