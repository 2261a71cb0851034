"""What the experts say of a sample, as one number a lead."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from lamina.streaming import Stateless
from lamina_detect.model._types import Shape, Tensor


@keras.saving.register_keras_serializable(package="lamina_detect")
class ExpertMean(Stateless):
    """The weighted mean over experts; one that has no say, NaN, counts as if all were usual.

        y = sum_e weights_e x_e / sum_e weights_e

    Input shape:
        `(batch, time, experts * leads)`, expert by expert.

    Output shape:
        `(batch, time, leads)`

    Streaming:
        Each sample by itself.
    """

    def __init__(self, weights: Sequence[float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.parts = tuple(weights)

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        leads = inputs.shape[-1] // len(self.parts)
        x = ops.where(ops.isnan(inputs), ops.zeros_like(inputs), inputs)
        total = sum(
            part / sum(self.parts) * x[..., i * leads : (i + 1) * leads]
            for i, part in enumerate(self.parts)
        )
        return total

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        *before, features = input_shape
        return (*before, None if features is None else features // len(self.parts))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "weights": list(self.parts)}
