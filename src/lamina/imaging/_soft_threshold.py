"""The proximal step of the l1 norm."""

from typing import Any

import keras
from keras import ops

from lamina._common import Array, Shape, number, register


@register
class SoftThreshold(keras.layers.Layer):
    """Shrinks every value towards 0: what is at most the threshold becomes 0.

        y = sign(x) max(|x| - threshold, 0)

    It is the proximal step of threshold * |x|_1. With `complex_pairs` |x| is the magnitude of the
    pair in the last axis, whose phase stays.

    Args:
        threshold: At least 0.
        complex_pairs: The last axis holds real and imaginary part.

    Input shape:
        Any.

    Output shape:
        As the input.

    Raises:
        ValueError: for a threshold below 0.

    Example:
        >>> SoftThreshold(1.0)(np.array([[-3.0, 0.5, 2.0]]))
        [[-2.0, 0.0, 1.0]]

    Reference:
        Donoho, IEEE Trans. Inf. Theory 41 (1995). The oracle is `pywt.threshold`.
    """

    def __init__(self, threshold: float, complex_pairs: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.threshold = number("threshold", threshold, "how far values shrink", low=0)
        self.complex_pairs = bool(complex_pairs)

    def call(self, inputs: Array) -> Array:
        if not self.complex_pairs:
            return ops.sign(inputs) * ops.relu(ops.abs(inputs) - self.threshold)
        power = ops.sum(ops.square(inputs), axis=-1, keepdims=True)
        # Without the `where` the gradient of the root at 0 is infinite, times 0: NaN.
        above = power > self.threshold**2
        size: Array = ops.sqrt(ops.where(above, power, ops.ones_like(power)))
        return ops.where(above, inputs * (1 - self.threshold / size), ops.zeros_like(inputs))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "complex_pairs": self.complex_pairs,
        }
