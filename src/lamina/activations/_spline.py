"""An activation whose shape is learned."""

from typing import Any

import keras
import numpy as np
from keras import ops

from lamina._common import Array, Shape, integer, number, received, register
from lamina.activations._per_channel import PerChannel


@register
class Spline(PerChannel):
    """A learnable curve for each channel: straight pieces between equally spaced knots.

        y = values[i] + (x - t[i]) / h * (values[i+1] - values[i]),  t[i] <= x < t[i+1]

    Outside the knots the first and the last piece go on. It starts as the identity.

    Args:
        knots: How many, at least 2. More follow finer shapes and need more data.
        low, high: The first and the last knot: about where the inputs are.

    Input shape:
        `(batch, ..., channels)`.

    Output shape:
        As the input.

    Masking:
        The mask passes on; masked values are transformed as any other.

    Streaming:
        Each step by itself: no state, receptive field 1.

    Raises:
        ValueError: if `knots` is not an integer of at least 2, or if `low` is not below `high`.

    Example:
        >>> Spline(knots=5)(np.array([[-9.0, 0.3, 2.5]]))
        [[-9.0, 0.3, 2.5]]

    Reference:
        Bohra et al., IEEE Open Journal of Signal Processing 1 (2020): linear splines.
    """

    def __init__(
        self, knots: int = 16, low: float = -3.0, high: float = 3.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.knots = integer("knots", knots, "the number of knots", low=2)
        self.low = number("low", low, "the place of the first knot")
        self.high = number("high", high, "the place of the last knot")
        if self.low >= self.high:
            raise ValueError(f"`low` must be below `high`. {received('low', low, high=high)}")

    def build(self, input_shape: Shape) -> None:
        channels = self.channels(input_shape)
        identity: Any = np.repeat(
            np.linspace(self.low, self.high, self.knots)[:, None], channels, 1
        )
        self.values = self.add_weight(
            name="values",
            shape=(self.knots, channels),
            initializer=keras.initializers.Constant(identity),
        )

    def call(self, inputs: Array, mask: Array | None = None) -> Array:
        channels = self.values.shape[1]
        values = ops.reshape(ops.cast(self.values, self.compute_dtype), (self.knots * channels,))
        place = (inputs - self.low) * ((self.knots - 1) / (self.high - self.low))
        piece = ops.clip(ops.floor(place), 0, self.knots - 2)
        piece = ops.where(ops.isfinite(piece), piece, ops.zeros_like(piece))
        first = ops.cast(piece, "int32") * channels + ops.arange(channels, dtype="int32")
        left, right = ops.take(values, first), ops.take(values, first + channels)
        return left + (place - piece) * (right - left)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "knots": self.knots, "low": self.low, "high": self.high}
