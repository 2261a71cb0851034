"""How far a window is from the nearest of the shapes that were learned."""

from typing import Any

import keras
import numpy as np
from keras import ops

from lamina.streaming import Stateless
from lamina_detect.model._types import Shape, Tensor

# The squared norm of a shape that is not in use: farther than anything, and finite in float32.
NEVER = 1e30


@keras.saving.register_keras_serializable(package="lamina_detect")
class NearestShape(Stateless):
    """The distance of a lead's window to the nearest shape: as it is, and without its mean.

        y = sqrt(min_k |v - c_k|^2),  sqrt(min_k |v - mean(v) - m_k|^2)

    Input shape:
        `[(batch, time, 2 * shapes + 1), (batch, time, 1)]`: the window's products with each c_k,
        with each m_k, and sqrt(lags) times its mean; and its energy |v|^2.

    Output shape:
        `(batch, time, 2)`

    Streaming:
        Each window by itself.
    """

    def __init__(self, shapes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shapes = shapes

    def build(self, input_shape: Any) -> None:
        self.norms = self.add_weight(
            name="norms", shape=(2, self.shapes), initializer="zeros", trainable=False
        )

    def assign(self, raw: np.ndarray, centred: np.ndarray) -> None:
        """Take the norms of the shapes `(count, lags)` of both codebooks."""
        norms = np.full((2, self.shapes), NEVER)
        for row, book in zip(norms, (raw, centred), strict=True):
            row[: len(book)] = (book.astype("float64") ** 2).sum(1)
        self.norms.assign(norms)

    def call(self, inputs: Any, mask: Tensor | None = None) -> Tensor:
        products, energy = inputs
        found = []
        for i in range(2):
            each = products[..., i * self.shapes : (i + 1) * self.shapes]
            nearest = ops.min(self.norms[i] - 2 * each, axis=-1, keepdims=True)
            found.append(nearest + energy)
        mean = products[..., -1:]
        found[1] = found[1] - mean**2
        return ops.sqrt(ops.relu(ops.concatenate(found, -1)))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        return (*input_shape[1][:-1], 2)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "shapes": self.shapes}
