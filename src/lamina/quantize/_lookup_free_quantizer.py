"""The sign of each feature: codes without a table, and without a search."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from lamina._common import Array, Shape, integer, mean_over_replicas, number, received, register
from lamina._common._fast import jit_compiled, product
from lamina.codec import FSQDecoder
from lamina.quantize._gradients import straight_through
from lamina.quantize._losses import entropy
from lamina.quantize._nearest import unit
from lamina.quantize._quantizer import Quantizer

# Bits whose codes are counted together in the entropy; more are counted in such groups, whose
# entropies add up: an upper bound, equation 13 of Zhao et al.
GROUP = 9
# The sharpness of the softmax over codes, as in vector-quantize-pytorch.
SHARPNESS = 100.0


@register
class LookupFreeQuantizer(Quantizer):
    """Takes the sign of each feature, and the signs for the bits of the code: LFQ and BSQ.

        y_i = sign(x_i)        code = sum_i 2^i [x_i > 0]        dy/dx = 1 (straight-through)
        loss = entropy (E_n H(p_n) - H(E_n p_n)) + commitment mean |x - y|^2
        p_n(c) = softmax_c(200 x_n . c)

    With `spherical`, x is divided by its length first, and y by that of the signs, sqrt(bits). The
    entropy loss, in training only, asks for vectors that lie near one code each, and for codes that
    are used alike. There is no table: nothing to start, nothing unused. Project to and from
    few features with a `Dense` on either side.

    Args:
        bits: Features, and bits of a code: 2^bits codes; 1 to 30.
        spherical: Binary spherical quantization: inputs and outputs of length 1.
        entropy: Weight of the entropy loss.
        commitment: Weight of the commitment loss.
        return_codes: Give `(values, codes)`, also in a Functional model.
        data_format: "channels_last", or "channels_first" for inputs `(batch, features, ...)`.

    Input shape:
        `(batch, ..., bits)`

    Output shape:
        As the input, values -1 and 1, or of length 1; with `return_codes` also int32 codes
        `(batch, ...)`.

    Masking:
        As in `FiniteScalarQuantizer`; masked vectors weigh nothing in the loss.

    Streaming:
        Each vector by itself; not with "channels_first".

    Raises:
        ValueError: for options outside their range, for inputs with another number of features; for
            a mask that fits no axes; for a symbolic tensor in `encode`.

    Example:
        >>> layer = LookupFreeQuantizer(2)
        >>> layer(np.array([[0.3, -2.0], [-0.1, 0.7]]))
        [[1.0, -1.0], [-1.0, 1.0]]
        >>> layer.encode(np.array([[0.3, -2.0], [-0.1, 0.7]]))
        [1, 2]

    Reference:
        Yu et al., Language Model Beats Diffusion: Tokenizer is Key (MAGVIT-v2, 2023), equations 3
        to 5; Zhao et al., Image and Video Tokenization with Binary Spherical Quantization (2024).
        In vector-quantize-pytorch the first feature is the most significant bit, here as in the
        paper the least.
    """

    def __init__(
        self,
        bits: int,
        spherical: bool = False,
        entropy: float = 0.1,
        commitment: float = 0.25,
        return_codes: bool = False,
        data_format: str = "channels_last",
        **kwargs: Any,
    ) -> None:
        super().__init__(return_codes, data_format=data_format, **kwargs)
        self.bits = integer("bits", bits, "features, one a bit", 1, 30)
        self.spherical = bool(spherical)
        self.entropy = number("entropy", entropy, "a weight", 0)
        self.commitment = number("commitment", commitment, "a weight", 0)

    @property
    def codes(self) -> int:
        """How many codes there are."""
        return 2**self.bits

    @property
    def _scale(self) -> float:
        return 1 / math.sqrt(self.bits) if self.spherical else 1.0

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        if self._last(tuple(input_shape))[-1] != self.bits:
            raise ValueError(
                f"`bits` is {self.bits}, so the inputs must have as many features. "
                f"{received('input_shape', tuple(input_shape))}"
            )

    def decoder(self, **kwargs: Any) -> keras.layers.Layer:
        """An `FSQDecoder` of two levels a feature: codes -> the values of this layer."""
        kwargs = {"dtype": self.dtype_policy, "pad_value": -1, **kwargs}
        return self._placed(
            FSQDecoder([2] * self.bits, symmetric=True, scale=self._scale, **kwargs)
        )

    def _values_and_codes(
        self, inputs: Array, mask: Array | None, training: bool
    ) -> tuple[Array, Array]:
        values, codes, soft = _signs(inputs, mask, self.spherical, self._scale)
        if training and (self.entropy or self.commitment):
            used = ops.reshape(codes >= 0, (-1,))
            flat = ops.where(used[:, None], ops.reshape(soft, (-1, self.bits)), 0)
            hard = ops.reshape(ops.stop_gradient(ops.cast(values, flat.dtype)), (-1, self.bits))
            far = ops.mean(ops.square(flat - ops.where(used[:, None], hard, 0)), axis=-1)
            loss = self.commitment * _mean(far, used)
            loss = loss + self.entropy * _entropy_loss(flat, used, self._scale)
            self.add_loss(loss)
        return ops.cast(values, self.compute_dtype), codes

    def _codes(self, inputs: Array, mask: Array | None) -> Array:
        return _signs(inputs, mask, self.spherical, self._scale)[1]

    def _code_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape[:-1])

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["gradient"]
        names = ("bits", "spherical", "entropy", "commitment")
        return {**config, **{name: getattr(self, name) for name in names}}


@jit_compiled
def _signs(
    inputs: Array, mask: Array | None, spherical: bool, scale: float
) -> tuple[Array, Array, Array]:
    """(values, codes, what was quantized), in float32 at least, as the decoder computes."""
    narrow = keras.backend.standardize_dtype(inputs.dtype) in ("float16", "bfloat16")
    soft = ops.cast(inputs, "float32") if narrow else inputs
    soft = unit(soft) if spherical else soft
    bits: Array = ops.cast(ops.stop_gradient(soft) > 0, "int32")
    signs: Array = ops.cast(2 * bits - 1, soft.dtype)
    values = straight_through(signs if scale == 1 else signs * scale, soft)
    basis: Array = ops.convert_to_tensor(2 ** np.arange(inputs.shape[-1]), "int32")
    codes = ops.sum(bits * basis, axis=-1)
    known = ops.isfinite(ops.sum(inputs, axis=-1))
    codes = ops.where(known if mask is None else ops.logical_and(known, mask), codes, -1)
    return values, codes, soft


def _mean(x: Array, used: Array) -> Array:
    """Mean over the used vectors of all replicas."""
    count = mean_over_replicas(ops.sum(ops.cast(used, x.dtype)))
    return ops.sum(ops.where(used, x, 0)) / ops.where(count > 0, count, 1)


def _entropy_loss(vectors: Array, used: Array, scale: float) -> Array:
    """E_n H(p_n) - H(E_n p_n); the second of this replica's vectors."""
    loss: Any = 0
    for first in range(0, vectors.shape[-1], GROUP):
        part = vectors[:, first : first + GROUP]
        width = part.shape[-1]
        codes = np.arange(2**width)[:, None] >> np.arange(width) & 1
        codes = ops.convert_to_tensor(scale * (2 * codes - 1), part.dtype)
        share = ops.softmax(2 * SHARPNESS * product(part, ops.transpose(codes)), axis=-1)
        count = ops.maximum(ops.sum(ops.cast(used, share.dtype)), 1)
        average = ops.sum(ops.where(used[:, None], share, 0), axis=0) / count
        loss = loss + _mean(entropy(share), used) - entropy(average)
    return loss
