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
from lamina.codec._fsq_decoder import check_levels_fit, checked_levels
from lamina.quantize._gradients import straight_through
from lamina.quantize._quantizer import Quantizer

# Widens the bound a little, so that the outermost levels are reached before tanh saturates; the
# value of vector-quantize-pytorch.
_EPSILON = 1e-3


@register
class FiniteScalarQuantizer(Quantizer):
    """Bounds each feature by a tanh and rounds it to one of a few levels.

        b_i = h_i tanh(x_i + s_i) - o_i        y_i = round(b_i) / (L_i // 2)
        h_i = (L_i - 1)(1 + 0.001) / 2        o_i = 1/2 for an even L_i, else 0
        s_i = artanh(o_i / h_i)               so that 0 stays 0; 0 for two levels, one on each side
        code = sum_i (round(b_i) + L_i // 2) L_1 ... L_{i-1}
        dy/dx = db/dx / (L // 2) (straight-through)

    With `symmetric`, levels lie evenly from -1 to 1, and 0 lies between two if L_i is even:

        b_i = (L_i - 1)(tanh(x_i) + 1) / 2        y_i = 2 floor(b_i + 1/2) / (L_i - 1) - 1
        code = sum_i floor(b_i + 1/2) L_1 ... L_{i-1}        dy/dx = 1 - tanh(x)^2

    The product of the levels is the number of codes. There is no table, so no start, no unused rows
    and no loss. Project to and from few features with a `Dense` on either side.

    Args:
        levels: Levels L_i of each feature, at least 2; (8, 6, 5) gives 240 codes, (8, 5, 5, 5)
            gives 1000. Two are -1 and 0, or -1 and 1 with `symmetric`.
        return_codes: Give `(values, codes)`, also in a Functional model.
        symmetric: Levels evenly from -1 to 1: no level is favoured where their number is even.
        data_format: "channels_last", or "channels_first" for inputs `(batch, features, ...)`.

    Input shape:
        `(batch, ..., len(levels))`

    Output shape:
        As the input, values in [-1, 1]; with `return_codes` also int32 codes `(batch, ...)`.

    Masking:
        A masked vector gives 0 and code -1. The mask passes on; it has the first axes of the
        vectors, each of the same length or 1. A vector with NaN gives NaN there
        and code -1.

    Streaming:
        Each vector by itself; not with "channels_first".

    Raises:
        ValueError: for levels below 2 or more than the dtype can tell apart, for 2^31 codes or
            more, for inputs with another number of
            features; for a symbolic tensor in `encode`.

    Example:
        >>> layer = FiniteScalarQuantizer((3, 5))
        >>> layer(np.array([[2.0, 0.1], [-0.1, -1.0]]))
        [[1.0, 0.0], [0.0, -1.0]]
        >>> layer.encode(np.array([[2.0, 0.1], [-0.1, -1.0]]))
        [8, 1]

    Reference:
        Mentzer et al., Finite Scalar Quantization: VQ-VAE Made Simple (2023), appendix A.1. The
        symmetric form: Parker et al., Scaling Transformers for Low-bitrate High-Quality Speech
        Coding (2024), 3.2.
    """

    def __init__(
        self,
        levels: Iterable[int],
        return_codes: bool = False,
        symmetric: bool = False,
        data_format: str = "channels_last",
        **kwargs: Any,
    ) -> None:
        super().__init__(return_codes, data_format=data_format, **kwargs)
        self.levels = checked_levels(levels)
        self.symmetric = bool(symmetric)
        check_levels_fit(self.levels, self.compute_dtype)

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        if self._last(tuple(input_shape))[-1] != len(self.levels):
            raise ValueError(
                f"`levels` has {len(self.levels)} entries, so the inputs must have as many "
                f"features. {received('input_shape', tuple(input_shape))}"
            )

    @property
    def codes(self) -> int:
        """How many codes there are."""
        return math.prod(self.levels)

    def decoder(self, **kwargs: Any) -> keras.layers.Layer:
        """The `FSQDecoder` of the same levels: codes -> the values of this layer."""
        kwargs = {"dtype": self.dtype_policy, "pad_value": -1, **kwargs}
        return self._placed(FSQDecoder(self.levels, symmetric=self.symmetric, **kwargs))

    def _values_and_codes(
        self, inputs: Array, mask: Array | None, training: bool
    ) -> tuple[Array, Array]:
        values, codes = _quantized(inputs, mask, tuple(self.levels), self.symmetric)
        return ops.cast(values, self.compute_dtype), codes

    def _codes(self, inputs: Array, mask: Array | None) -> Array:
        return _quantized(inputs, mask, tuple(self.levels), self.symmetric)[1]

    def _code_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape[:-1])

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["gradient"]
        return {**config, "levels": list(self.levels), "symmetric": self.symmetric}


@jit_compiled
def _quantized(
    inputs: Array, mask: Array | None, levels: tuple[int, ...], symmetric: bool
) -> tuple[Array, Array]:
    """(values, codes) of the inputs, in float32 at least, or levels would merge."""
    narrow = keras.backend.standardize_dtype(inputs.dtype) in ("float16", "bfloat16")
    inputs = ops.cast(inputs, "float32") if narrow else inputs
    counts = np.array(levels)
    if symmetric:
        bounded, half = ops.tanh(inputs), (counts - 1) / 2
        # As integers: these have no -0, which decoding would not give back.
        digits = ops.floor((ops.stop_gradient(bounded) + 1) * ops.cast(half, inputs.dtype) + 0.5)
        digits: Array = ops.cast(digits, "int32")
        numerator = 2 * digits - ops.convert_to_tensor(counts - 1, "int32")
        width, soft = ops.cast(counts - 1, inputs.dtype), bounded
    else:
        bounded, half = _bounded(inputs, counts), counts // 2
        numerator = ops.cast(ops.round(ops.stop_gradient(bounded)), "int32")
        digits = ops.add(numerator, ops.convert_to_tensor(half, "int32"))
        width = ops.cast(half, inputs.dtype)
        soft = bounded / width
    values = straight_through(ops.cast(numerator, inputs.dtype) / width, soft)
    # Mixed-radix codes, the first level the least significant.
    basis = ops.convert_to_tensor(np.cumprod([1, *levels[:-1]]), "int32")
    codes = ops.sum(ops.multiply(digits, basis), axis=-1)
    known = ops.isfinite(ops.sum(bounded, axis=-1))
    return values, ops.where(known if mask is None else ops.logical_and(known, mask), codes, -1)


def _bounded(inputs: Array, levels: np.ndarray) -> Array:
    """The inputs between the outermost levels."""
    radius = (levels - 1) * (1 + _EPSILON) / 2
    offset = np.where(levels % 2 == 0, 0.5, 0.0)
    # Of two levels the upper one would be in the middle, where tanh has all but reached its bound.
    shift = np.arctanh(np.where(levels == 2, 0.0, offset) / radius)
    radius, offset, shift = (ops.cast(n, inputs.dtype) for n in (radius, offset, shift))
    # Not `_fast.tanh`: its float32 differs in the last bit, and with it a code now and then.
    return ops.tanh(inputs + shift) * radius - offset
