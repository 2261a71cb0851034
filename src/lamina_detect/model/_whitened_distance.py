"""Hotelling's T of a window, with what its leading directions leave out."""

from typing import Any

import keras
from keras import ops

from lamina.streaming import Stateless
from lamina_detect.model._types import Shape, Tensor
from lamina_detect.model._whitening import Whitening


@keras.saving.register_keras_serializable(package="lamina_detect")
class WhitenedDistance(Stateless):
    """The distance of a lead's window from the mean window, in standard deviations.

        y = sqrt(sum_i z_i^2 / l_i + (|v - mean|^2 - sum_i z_i^2) / l_rest)

    z are the window's coordinates in its leading directions, l their variances.

    Input shape:
        `[(batch, time, directions + 1), (batch, time, 1)]`: the window's products with each
        direction and with the mean window; and its energy |v|^2.

    Output shape:
        `(batch, time, 1)`

    Streaming:
        Each window by itself.
    """

    def __init__(self, directions: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.directions = directions

    def build(self, input_shape: Any) -> None:
        each = (self.directions,)
        self.offset = self.add_weight(name="offset", shape=each, trainable=False)
        self.precision = self.add_weight(name="precision", shape=each, trainable=False)
        self.rest = self.add_weight(name="rest", shape=(2,), trainable=False)

    def assign(self, learned: Whitening) -> None:
        """Take what was learned as weights."""
        self.offset.assign(learned.mean @ learned.directions)
        self.precision.assign(1 / learned.variance)
        self.rest.assign([1 / learned.rest, learned.mean @ learned.mean])

    def call(self, inputs: Any, mask: Tensor | None = None) -> Tensor:
        products, energy = inputs
        squares = (products[..., :-1] - self.offset) ** 2
        whole = energy - 2 * products[..., -1:] + self.rest[1]
        rest = ops.relu(whole - ops.sum(squares, -1, keepdims=True))
        within = ops.sum(squares * self.precision, -1, keepdims=True)
        return ops.sqrt(within + rest * self.rest[0])

    def compute_output_shape(self, input_shape: Any) -> Shape:
        return (*input_shape[1][:-1], 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "directions": self.directions}
