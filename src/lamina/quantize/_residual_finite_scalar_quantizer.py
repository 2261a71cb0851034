"""Levels of levels: finite scalar quantization of what the stages before left over."""

import math
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from lamina._common import Array, Shape, positive_integer, received, register
from lamina._common._fast import jit_compiled
from lamina.codec import ResidualDecoder
from lamina.codec._fsq_decoder import check_levels_fit, checked_levels
from lamina.quantize._gradients import straight_through
from lamina.quantize._quantizer import Quantizer

# The decoder has a row for each code of a stage.
MOST_CODES = 2**16


@register
class ResidualFiniteScalarQuantizer(Quantizer):
    """Rounds each feature to one of a few levels, and what is left to finer ones, stage by stage.

        r_0 = m tanh(x / m)        m_i = 1 + 1 / (L_i - 1)
        d_q = floor((L - 1)(clip(r_q L^q, -1, 1) + 1) / 2 + 1/2)
        y_q = (2 d_q / (L - 1) - 1) L^-q        r_{q+1} = r_q - y_q        y = sum_q y_q
        code_q = sum_i d_{q,i} L_1 ... L_{i-1}        dy/dx = dr_0/dx (straight-through)

    There is no table to train and no loss. The first n codes are a usable code too.

    Args:
        levels: Levels L_i of each feature, at least 2, with a product of at most 65536.
        stages: How many codes a vector gets.
        return_codes: Give `(values, codes)`, also in a Functional model.
        data_format: "channels_last", or "channels_first" for inputs `(batch, features, ...)`.

    Input shape:
        `(batch, ..., len(levels))`

    Output shape:
        As the input, values a little beyond -1 and 1; with `return_codes` also int32 codes
        `(batch, ..., stages)`.

    Masking:
        As in `FiniteScalarQuantizer`.

    Streaming:
        Each vector by itself; not with "channels_first".

    Raises:
        ValueError: for levels below 2, for more codes than 65536 a stage, for inputs with another
            number of features; for a mask that fits no axes; for a symbolic tensor in `encode`.

    Example:
        >>> layer = ResidualFiniteScalarQuantizer((3, 3), stages=2)
        >>> layer.encode(np.array([[0.9, 0.0]]))
        [[5, 3]]
        >>> layer(np.array([[0.0, 0.0]]))
        [[0.0, 0.0]]

    Reference:
        Mentzer et al., Finite Scalar Quantization (2023), as a residual quantizer as
        vector-quantize-pytorch has it, with its bounds.
    """

    def __init__(
        self,
        levels: Iterable[int],
        stages: int,
        return_codes: bool = False,
        data_format: str = "channels_last",
        **kwargs: Any,
    ) -> None:
        super().__init__(return_codes, data_format=data_format, **kwargs)
        self.levels = checked_levels(levels)
        self.stages = positive_integer("stages", stages, "codes of a vector")
        if math.prod(self.levels) > MOST_CODES:
            raise ValueError(
                f"`levels` must have a product of at most {MOST_CODES}: the decoder has a row for "
                f"each code. Use more stages of fewer levels. {received('levels', self.levels)}"
            )
        finest = [count**self.stages for count in self.levels]
        check_levels_fit(finest, self.compute_dtype)

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        if self._last(tuple(input_shape))[-1] != len(self.levels):
            raise ValueError(
                f"`levels` has {len(self.levels)} entries, so the inputs must have as many "
                f"features. {received('input_shape', tuple(input_shape))}"
            )

    @property
    def codes(self) -> list[int]:
        """How many codes each stage has."""
        return [math.prod(self.levels)] * self.stages

    def decoder(self, **kwargs: Any) -> keras.layers.Layer:
        """A `ResidualDecoder` with a table for each stage: codes -> the values of this layer."""
        tables = [_table(tuple(self.levels), stage) for stage in range(self.stages)]
        return self._placed(ResidualDecoder(tables, **{"dtype": self.dtype_policy, **kwargs}))

    def _values_and_codes(
        self, inputs: Array, mask: Array | None, training: bool
    ) -> tuple[Array, Array]:
        levels, dtype = tuple(self.levels), self.compute_dtype
        return _summed_levels(inputs, mask, levels, self.stages, dtype)

    def _codes(self, inputs: Array, mask: Array | None) -> Array:
        return self._values_and_codes(inputs, mask, False)[1]

    def _code_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], self.stages)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["gradient"]
        return {**config, "levels": list(self.levels), "stages": self.stages}


def _table(levels: tuple[int, ...], stage: int) -> np.ndarray:
    """The values of all codes of a stage, float32."""
    codes = np.arange(math.prod(levels))
    digits = np.stack(np.unravel_index(codes, levels[::-1]), axis=-1)[:, ::-1]
    counts = np.array(levels)
    values = (2 * digits - (counts - 1)) / (counts - 1) / counts.astype("float64") ** stage
    return values.astype("float32")


@jit_compiled
def _summed_levels(
    inputs: Array, mask: Array | None, levels: tuple[int, ...], stages: int, dtype: str
) -> tuple[Array, Array]:
    """(values, codes) of the inputs; the values are rows of `_table`, as the decoder adds them."""
    wide = "float64" if keras.backend.standardize_dtype(inputs.dtype) == "float64" else "float32"
    counts = np.array(levels)
    most: Array = ops.convert_to_tensor(1 + 1 / (counts - 1), wide)
    half: Array = ops.convert_to_tensor((counts - 1) / 2, wide)
    basis: Array = ops.convert_to_tensor(np.cumprod([1, *levels[:-1]]), "int32")
    soft: Array = ops.tanh(ops.cast(inputs, wide) / most) * most
    known = ops.isfinite(ops.sum(soft, axis=-1))
    rest: Array = ops.where(known[..., None], ops.stop_gradient(soft), 0)
    total, codes = None, []
    for stage in range(stages):
        finer: Array = ops.convert_to_tensor(counts**stage, wide)
        inside: Array = ops.clip(rest * finer, -1, 1)
        digits: Array = ops.cast(ops.floor((inside + 1) * half + 0.5), "int32")
        codes.append(ops.sum(digits * basis, axis=-1))
        row = ops.take(ops.convert_to_tensor(_table(levels, stage)), codes[-1], axis=0)
        rest = rest - ops.cast(row, wide)
        row = ops.cast(row, dtype)
        total = row if total is None else total + row
    known = known if mask is None else ops.logical_and(known, mask)
    codes = ops.where(known[..., None], ops.stack(codes, axis=-1), -1)
    return straight_through(total, ops.cast(soft, dtype)), codes
