"""Each feature to one of a few levels: codes without a table."""

import math
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from lamina._common import Array, Shape, received, register
from lamina._common._fast import jit_compiled
from lamina.codec import FSQDecoder
from lamina.codec._fsq_decoder import checked_levels
from lamina.quantize._quantizer import Quantizer, straight_through

# Widens the bound a little, so that the outermost levels are reached before tanh saturates; the
# value of vector-quantize-pytorch.
_EPSILON = 1e-3


@register
class FiniteScalarQuantizer(Quantizer):
    """Bounds each feature by a tanh and rounds it to one of a few levels.

        b_i = h_i tanh(x_i + s_i) - o_i        y_i = round(b_i) / (L_i // 2)
        h_i = (L_i - 1)(1 + 0.001) / 2        o_i = 1/2 for an even L_i, else 0
        s_i = artanh(o_i / h_i)               so that 0 stays 0
        code = sum_i (round(b_i) + L_i // 2) L_1 ... L_{i-1}
        dy/dx = db/dx / (L // 2) (straight-through)

    The product of the levels is the number of codes. There is no table, so no start, no unused rows
    and no loss. Project to and from few features with a `Dense` on either side.

    Args:
        levels: Levels L_i of each feature, at least 2; (8, 6, 5) gives 240 codes, (8, 5, 5, 5)
            gives 1000.
        return_codes: Give `(values, codes)`, also in a Functional model.

    Input shape:
        `(batch, ..., len(levels))`

    Output shape:
        As the input, values in [-1, 1]; with `return_codes` also int32 codes `(batch, ...)`.

    Masking:
        A masked vector gives 0 and code -1. The mask passes on. A vector with NaN gives NaN there
        and code -1.

    Streaming:
        Each vector by itself.

    Raises:
        ValueError: for levels below 2, for 2^31 codes or more, for inputs with another number of
            features; for a symbolic tensor in `encode`.

    Example:
        >>> layer = FiniteScalarQuantizer((3, 5))
        >>> layer(np.array([[2.0, 0.1], [-0.1, -1.0]]))
        [[1.0, 0.0], [0.0, -1.0]]
        >>> layer.encode(np.array([[2.0, 0.1], [-0.1, -1.0]]))
        [8, 1]

    Reference:
        Mentzer et al., Finite Scalar Quantization: VQ-VAE Made Simple (2023), appendix A.1.
    """

    def __init__(self, levels: Iterable[int], return_codes: bool = False, **kwargs: Any) -> None:
        super().__init__(return_codes, **kwargs)
        self.levels = checked_levels(levels)

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        if input_shape[-1] != len(self.levels):
            raise ValueError(
                f"`levels` has {len(self.levels)} entries, so the inputs must have as many "
                f"features. {received('input_shape', tuple(input_shape))}"
            )

    @property
    def codes(self) -> int:
        """How many codes there are."""
        return math.prod(self.levels)

    def decoder(self, **kwargs: Any) -> FSQDecoder:
        """The `FSQDecoder` of the same levels: codes -> the values of this layer."""
        kwargs = {"dtype": self.dtype_policy, "pad_value": -1, **kwargs}
        return FSQDecoder(self.levels, **kwargs)

    def _values_and_codes(
        self, inputs: Array, mask: Array | None, training: bool
    ) -> tuple[Array, Array]:
        values, codes = _quantized(inputs, mask, tuple(self.levels))
        return ops.cast(values, self.compute_dtype), codes

    def _codes(self, inputs: Array, mask: Array | None) -> Array:
        return _quantized(inputs, mask, tuple(self.levels))[1]

    def _code_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape[:-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "levels": list(self.levels)}


@jit_compiled
def _quantized(inputs: Array, mask: Array | None, levels: tuple[int, ...]) -> tuple[Array, Array]:
    """(values, codes) of the inputs, in float32 at least, or levels would merge."""
    narrow = keras.backend.standardize_dtype(inputs.dtype) in ("float16", "bfloat16")
    bounded = _bounded(ops.cast(inputs, "float32") if narrow else inputs, np.array(levels))
    half = np.array(levels) // 2
    # As integers: these have no -0, which decoding would not give back.
    level = ops.cast(ops.round(ops.stop_gradient(bounded)), "int32")
    width = ops.cast(half, bounded.dtype)
    values = straight_through(ops.cast(level, bounded.dtype) / width, bounded / width)
    # Mixed-radix codes, the first level the least significant.
    basis = ops.convert_to_tensor(np.cumprod([1, *levels[:-1]]), "int32")
    digits = ops.add(level, ops.convert_to_tensor(half, "int32"))
    codes = ops.sum(ops.multiply(digits, basis), axis=-1)
    known = ops.isfinite(ops.sum(bounded, axis=-1))
    return values, ops.where(known if mask is None else ops.logical_and(known, mask), codes, -1)


def _bounded(inputs: Array, levels: np.ndarray) -> Array:
    """The inputs between the outermost levels."""
    radius = (levels - 1) * (1 + _EPSILON) / 2
    offset = np.where(levels % 2 == 0, 0.5, 0.0)
    shift = np.arctanh(offset / radius)
    radius, offset, shift = (ops.cast(n, inputs.dtype) for n in (radius, offset, shift))
    # Not `_fast.tanh`: its float32 differs in the last bit, and with it a code now and then.
    return ops.tanh(inputs + shift) * radius - offset
