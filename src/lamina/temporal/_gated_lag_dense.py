"""A gated dense layer over chosen lags."""

from collections.abc import Iterable
from typing import Any, NoReturn

import keras

from lamina._common import Array, positive_integer, register
from lamina.temporal._lag_dense import LagDense


@register
class GatedLagDense(LagDense):
    """A `LagDense` whose outputs pass through gates that look at the same lags.

        y[t] = tanh(V . x + v) * sigmoid(W . x + w),  V . x = sum_i x[t - lags[i]] @ V[i]

    Args:
        units: Outputs per time step.
        lags: How many steps back to look: distinct integers, 0 for the current sample.
        activation: Of the part that is gated; tanh by default. The gate is a sigmoid.
        **kwargs: The other arguments of `LagDense`. `kernel` is `(len(lags), features,
            2 * units)` and `bias` `(2 * units,)`: first what is gated, then the gates.

    Input shape:
        `(batch, time, features)`. Any of batch and time may be unknown or 0. `call` also takes
        `reset` `(batch, time)`: where it is true, the row starts again at that sample.

    Output shape:
        `(batch, time, units)`.

    Masking:
        As `LagDense`: a masked sample counts as 0, its own output is 0, the mask passes on.

    Streaming:
        As `LagDense`. Receptive field: `max(lags) + 1`.

    Raises:
        ValueError: as `LagDense`.

    Example:
        >>> GatedLagDense(3, lags=(0, 1, 2))(np.zeros((2, 5, 4))).shape
        (2, 5, 3)

    Reference:
        van den Oord et al., WaveNet (2016), equation 2, without conditioning.
    """

    def __init__(
        self, units: int, lags: Iterable[int], activation: Any = "tanh", **kwargs: Any
    ) -> None:
        positive_integer("units", units, "the number of outputs per time step")
        super().__init__(units, lags, activation=activation, **kwargs)

    @property
    def columns(self) -> int:
        """Columns of the kernel: what is gated and the gates."""
        return 2 * self.units

    def _activated(self, y: Array) -> Array:
        gates: Array = keras.activations.sigmoid(y[..., self.units :])
        return self.activation(y[..., : self.units]) * gates

    @classmethod
    def from_conv1d(cls, layer: keras.layers.Conv1D) -> NoReturn:
        """Not for this layer: a convolution has no gates."""
        raise ValueError("`from_conv1d` makes a `LagDense`: a convolution has no gates.")
