"""Which raw scores count."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from lamina.streaming import Stateless
from lamina_detect.model._types import Shape, Tensor


@keras.saving.register_keras_serializable(package="lamina_detect")
class Counted(Stateless):
    """The scores of windows that can be judged; NaN for the others.

    Input shape:
        `[scores (batch, time, experts * leads), factors (batch, time, leads)]`, the factors those
        of `ScoreGate`: 1, 0 or NaN.

    Streaming:
        Each window by itself.
    """

    def call(self, inputs: Sequence[Tensor], mask: Tensor | None = None) -> Tensor:
        scores, factors = inputs
        ok = factors == 1
        times = scores.shape[-1] // factors.shape[-1]
        ok = ops.concatenate([ok] * times, -1) if times > 1 else ok
        return ops.where(ok, scores, float("nan"))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        return input_shape[0]
