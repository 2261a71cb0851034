"""What every layer on integer codes shares: the dtype check, the range policies, the index."""

import keras
import numpy as np
from keras import ops

from lamina._common import received, to_numpy

POLICIES = ("raise", "nan", "clip", "zero")
_LARGEST = {"int8": 127, "uint8": 255, "int16": 32767, "uint16": 65535}
_SIGNED = ("int8", "int16", "int32", "int64")
_BEYOND_INT32 = ("int64", "uint32", "uint64")


class CodeLayer(keras.layers.Layer):
    """Base of the layers whose input is integers: they are never cast, and never floats."""

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.supports_masking = True

    @property
    def receptive_field(self):
        return 1

    def initial_state(self, batch):
        return {}

    def step(self, x, state, mask=None):
        return self.call(x, mask=mask), state

    def check_inputs(self, inputs):
        """A ValueError for inputs, symbolic ones too, that can never be decoded."""
        check_integer(inputs.dtype, self)

    def compute_output_spec(self, inputs, *args, **kwargs):
        self.check_inputs(inputs)
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), self.compute_dtype)


def check_integer(dtype, layer):
    """The name of an integer dtype, or a ValueError that shows the way out."""
    dtype = keras.backend.standardize_dtype(dtype)
    if not dtype.startswith(("int", "uint")):
        raise ValueError(
            f"`inputs` of {type(layer).__name__} {layer.name!r} must be integer codes. "
            "In a Functional model write `keras.Input(..., dtype='int32')`; elsewhere cast them "
            f"where they are made. {received('dtype', dtype)}"
        )
    return dtype


def check_bytes(dtype, layer):
    """A ValueError that shows the way out for what is not bytes."""
    dtype = keras.backend.standardize_dtype(dtype)
    if dtype != "uint8":
        raise ValueError(
            f"`inputs` of {type(layer).__name__} {layer.name!r} must be bytes: "
            "`np.frombuffer(data, 'uint8')`; in a Functional model "
            f"`keras.Input(..., dtype='uint8')`. {received('dtype', dtype)}"
        )


def check_policy(out_of_range, layer):
    """A policy that the layer's dtype can hold."""
    if out_of_range not in POLICIES:
        raise ValueError(
            f"`out_of_range` must be one of {', '.join(map(repr, POLICIES))}. "
            f"{received('out_of_range', out_of_range)}"
        )
    if out_of_range == "nan" and not is_float(layer):
        raise ValueError(
            f"`out_of_range='nan'` needs a float dtype: {layer.compute_dtype} has no NaN. "
            "Choose 'clip' or 'zero'."
        )
    return out_of_range


def check_pad_value(pad_value):
    """A code for padding as a plain int, or None."""
    if pad_value is None:
        return None
    if isinstance(pad_value, bool) or pad_value != int(pad_value):
        raise ValueError(f"`pad_value` must be an integer code. {received('pad_value', pad_value)}")
    return int(pad_value)


def check_compiled_policy(out_of_range, layer):
    """In compiled code no error can be raised, and an integer has no NaN to say it with."""
    if out_of_range == "raise" and not is_float(layer):
        raise ValueError(
            f"{type(layer).__name__} {layer.name!r} gives {layer.compute_dtype}, which has no NaN, "
            "so compiled code cannot tell a code out of range. "
            "Choose out_of_range='clip' or 'zero', or a float dtype. "
            f"{received('out_of_range', out_of_range)}"
        )


def is_float(layer):
    """Does the layer give floats?"""
    return keras.backend.is_float_dtype(layer.compute_dtype)


def check_in_range(codes, size, skip=None, name="codes"):
    """ValueError for the first concrete code outside `0 .. size - 1` where `skip` is not set."""
    codes = to_numpy(codes)
    outside = (codes < 0) | (codes >= size)
    if skip is not None:
        outside &= ~to_numpy(skip)
    if outside.any():
        where = tuple(int(i) for i in np.argwhere(outside)[0])
        raise ValueError(
            f"`{name}` must lie in 0..{size - 1}. Received: {codes[where]} at position {where} "
            f"({int(outside.sum())} of {codes.size} are outside). Repair the data, give the code "
            "for padding as `pad_value`, or choose out_of_range='nan', 'clip' or 'zero'."
        )


def equals(codes, value):
    """`codes == value`, False where the dtype of `codes` cannot hold `value`."""
    info = np.iinfo(keras.backend.standardize_dtype(codes.dtype))
    if not info.min <= value <= info.max:
        return ops.zeros_like(codes, dtype="bool")
    return ops.equal(codes, ops.cast(value, codes.dtype))


def to_index(codes, size, first=0):
    """`codes - first` as int32; what lies outside `0 .. size - 1` still does, and is not -1 if it
    was not: -1 has a meaning of its own in some layers.
    """
    dtype = keras.backend.standardize_dtype(codes.dtype)
    if dtype in _BEYOND_INT32:
        # Not `minimum`: Keras' own makes int64 int32 first on PyTorch.
        codes = ops.clip(codes, first - 2 if dtype in _SIGNED else 0, first + size)
    index = ops.cast(codes, "int32")
    return index - first if first else index


def outside(index, size, dtype):
    """Where an int32 index made from codes of `dtype` leaves the table; None: nowhere, ever."""
    above = None if _LARGEST.get(dtype, size) < size else ops.greater_equal(index, size)
    below = ops.less(index, 0) if dtype in _SIGNED else None
    if above is None or below is None:
        return above if below is None else below
    return ops.logical_or(below, above)


def skipped(codes, pad_value=None, mask=None):
    """Where a code is not looked at: padding, or masked. None: nowhere."""
    padding = None if pad_value is None else equals(codes, pad_value)
    if mask is None:
        return padding
    mask = ops.logical_not(ops.cast(mask, "bool"))
    mask = ops.reshape(mask, [*ops.shape(mask), *[1] * (len(codes.shape) - len(mask.shape))])
    mask = ops.logical_or(mask, ops.zeros_like(codes, dtype="bool"))
    return mask if padding is None else ops.logical_or(mask, padding)
