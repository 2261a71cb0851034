"""How far the power of what is fast is from its usual one."""

import keras
import numpy as np
from keras import ops

from lamina.streaming import Stateless
from lamina_detect.model._types import Shape, Tensor


@keras.saving.register_keras_serializable(package="lamina_detect")
class PowerChange(Stateless):
    """|log(power + floor) - usual|: a signal that is too lively, or too quiet.

    Input shape:
        `(batch, time, leads)`: the mean of the squared steps over a window.

    Streaming:
        Each window by itself.
    """

    def build(self, input_shape: Shape) -> None:
        leads = (input_shape[-1],)
        self.floor = self.add_weight(name="floor", shape=leads, trainable=False)
        self.usual = self.add_weight(name="usual", shape=leads, trainable=False)

    def assign(self, floor: np.ndarray, usual: np.ndarray) -> None:
        """Take each lead's floor and usual logarithm as weights."""
        self.floor.assign(floor)
        self.usual.assign(usual)

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        return ops.abs(ops.log(ops.relu(inputs) + self.floor) - self.usual)
