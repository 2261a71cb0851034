"""A periodic activation with a learnable frequency."""

from typing import Any

import keras
from keras import ops

from lamina._common import Array, Shape, invalid, number, register
from lamina.activations._per_channel import PerChannel


@register
class Snake(PerChannel):
    """The input plus a wave of learnable frequency: for signals that are periodic.

        y = x + sin(alpha * x) ** 2 / alpha

    Args:
        alpha: The frequency that each channel starts with; not 0. Larger for faster waves.

    Input shape:
        `(batch, ..., channels)`.

    Output shape:
        As the input.

    Masking:
        The mask passes on; masked values are transformed as any other.

    Streaming:
        Each step by itself: no state, receptive field 1.

    Raises:
        ValueError: if `alpha` is 0 or not finite.

    Example:
        >>> Snake()(np.array([[0.0, 1.0, -1.0]]))
        [[0.0, 1.708, -0.292]]

    Reference:
        Ziyin, Hartwig and Ueda, arXiv:2006.08195, equation 3.
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initial_alpha = number("alpha", alpha, "a finite number, not 0")
        if alpha == 0:
            raise invalid("alpha", "a finite number, not 0", alpha)

    def build(self, input_shape: Shape) -> None:
        self.alpha = self.add_weight(
            name="alpha",
            shape=(self.channels(input_shape),),
            initializer=keras.initializers.Constant(self.initial_alpha),
        )

    def call(self, inputs: Array, mask: Array | None = None) -> Array:
        alpha = ops.cast(self.alpha, self.compute_dtype)
        # Where training brings alpha to 0, the wave has vanished: y = x.
        return inputs + ops.square(ops.sin(alpha * inputs)) / ops.where(alpha == 0, 1, alpha)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.initial_alpha}
