"""Telephone audio of 8 bits to linear samples."""

from typing import Any, Literal

import numpy as np
from keras import ops

from lamina._common import Array, Shape, choice, register
from lamina._common._fast import take_rows, xla_compiled
from lamina.codec._codes import StatelessCodeLayer, check_bytes
from lamina.codec._fields import check_limits


@register
class CompandingDecoder(StatelessCodeLayer):
    """Linear 16-bit samples from mu-law or A-law bytes (ITU-T G.711).

        mu:  y = sign * (((2 * m + 33) << e) - 33) * 4       sign, e, m: the byte's bits, inverted
        A:   y = sign * ((2 * m + 1) << 3)          if e = 0
             y = sign * ((2 * m + 33) << e + 2)     otherwise; every other bit of the byte inverted

    Integers of 16 bits, -32124 .. 32124 and -32256 .. 32256; divide by 32768 for -1 .. 1
    (`keras.layers.Rescaling(1 / 32768)`).

    Args:
        law: `"mu"` (North America, Japan; `.au` files) or `"a"` (elsewhere).

    Input shape:
        `(...)`, uint8.

    Output shape:
        As the input. Every value is exact in float32 and `dtype="int32"`; float16 rounds.

    Masking:
        The mask passes on.

    Streaming:
        Each sample by itself.

    Raises:
        ValueError: for another law, input that is not uint8.

    Example:
        >>> CompandingDecoder("mu")(np.array([0, 127, 255, 128], "uint8"))
        [-32124.0, 0.0, 0.0, 32124.0]

    Reference:
        ITU-T Recommendation G.711 (1988).
    """

    def __init__(self, law: Literal["mu", "a"] = "mu", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.law = choice("law", law, ("mu", "a"))
        self.built = True

    def call(self, inputs: Array, mask: Array | None = None) -> Array:
        self.check_inputs(inputs)
        samples = _expand(ops.reshape(inputs, (-1,)), self.law, self.compute_dtype)
        return ops.reshape(samples, ops.shape(inputs))

    def check_inputs(self, inputs: Array) -> None:
        check_bytes(inputs.dtype, self)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)

    def encode(self, samples: Array) -> np.ndarray:
        """16-bit integers to bytes, in NumPy: the largest value that does not exceed the sample's
        size in mu-law after its low two bits, in A-law its low four, are dropped.
        """
        samples = np.asarray(samples)
        check_limits("samples", samples, bits=16, signed=True)
        return (_mu_bytes if self.law == "mu" else _a_bytes)(samples.astype("int32"))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "law": self.law}


@xla_compiled
def _expand(codes: Array, law: str, dtype: str) -> Array:
    table = ops.cast(ops.convert_to_tensor(linear_table(law)), dtype)
    return take_rows(table, ops.cast(codes, "int32"))


def linear_table(law: str) -> np.ndarray:
    """The linear value of each byte, int32: tables 1a and 2a of G.711, scaled to 16 bits."""
    byte = np.arange(256, dtype="int32")
    # As sent: mu-law inverts every bit, A-law every other one, beginning with the lowest.
    byte = byte ^ (0xFF if law == "mu" else 0x55)
    exponent, mantissa = byte >> 4 & 7, byte & 15
    if law == "mu":
        size = (((2 * mantissa + 33) << exponent) - 33) * 4
        return np.where(byte & 0x80, -size, size).astype("int32")
    size = np.where(exponent == 0, (2 * mantissa + 1) << 3, (2 * mantissa + 33) << exponent + 2)
    return np.where(byte & 0x80, size, -size).astype("int32")


def _mu_bytes(samples: np.ndarray) -> np.ndarray:
    samples = samples >> 2  # G.711 takes 14 bits.
    # The bias of 33 makes every segment start at a power of two; 8191 is the end of the last one.
    size = np.minimum(np.abs(samples) + 33, 8191)
    exponent = np.searchsorted(2 ** np.arange(6, 13), size, side="right")
    byte = exponent << 4 | size >> exponent + 1 & 15
    return ((byte | np.where(samples < 0, 0x80, 0)) ^ 0xFF).astype("uint8")


def _a_bytes(samples: np.ndarray) -> np.ndarray:
    samples = samples >> 3  # G.711 takes 13 bits.
    size = np.where(samples < 0, -samples - 1, samples)
    exponent = np.searchsorted(2 ** np.arange(5, 12), size, side="right")
    byte = exponent << 4 | size >> np.maximum(exponent, 1) & 15
    return ((byte | np.where(samples < 0, 0, 0x80)) ^ 0x55).astype("uint8")
