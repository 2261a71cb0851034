"""An activation whose shape is learned."""

import math

import keras
import numpy as np
from keras import ops

from lamina._common import positive_integer, received, register
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

    def __init__(self, knots=16, low=-3.0, high=3.0, **kwargs):
        super().__init__(**kwargs)
        self.knots = positive_integer("knots", knots, "the number of knots")
        if self.knots < 2:
            raise ValueError(f"`knots` must be at least 2. {received('knots', knots)}")
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"`low` must be below `high`. Received: low={low!r}, high={high!r}")
        self.low, self.high = float(low), float(high)

    def build(self, input_shape):
        channels = self.channels(input_shape)
        identity = np.repeat(np.linspace(self.low, self.high, self.knots)[:, None], channels, 1)
        self.values = self.add_weight(
            name="values",
            shape=(self.knots, channels),
            initializer=keras.initializers.Constant(identity),
        )

    def call(self, inputs):
        channels = self.values.shape[1]
        values = ops.reshape(ops.cast(self.values, self.compute_dtype), (self.knots * channels,))
        place = (inputs - self.low) * ((self.knots - 1) / (self.high - self.low))
        piece = ops.clip(ops.floor(place), 0, self.knots - 2)
        piece = ops.where(ops.isfinite(piece), piece, ops.zeros_like(piece))
        first = ops.cast(piece, "int32") * channels + ops.arange(channels, dtype="int32")
        left, right = ops.take(values, first), ops.take(values, first + channels)
        return left + (place - piece) * (right - left)

    def get_config(self):
        return {**super().get_config(), "knots": self.knots, "low": self.low, "high": self.high}
