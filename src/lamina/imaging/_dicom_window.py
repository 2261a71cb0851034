"""The window of a DICOM viewer."""

from typing import Any

import keras
from keras import ops

from lamina._common import Array, Shape, choice, invalid, number, register
from lamina.imaging._checks import listed, real_images

FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
_INPUTS = ("image", "centre", "width")


@register
class DicomWindow(keras.layers.Layer):
    """Values inside a window spread over a range of grey; what lies beside it clipped.

        LINEAR:        t = (x - (centre - 0.5)) / (width - 1) + 0.5
        LINEAR_EXACT:  t = (x - centre) / width + 0.5
        SIGMOID:       t = 1 / (1 + exp(-4 (x - centre) / width))
        y = low + (high - low) min(max(t, 0), 1)

    Centre and width are inputs, not configuration: another image has others. All three are
    differentiable where they are not clipped, with respect to the window too.

    Args:
        function: The VOI LUT function.
        low, high: The range of the output.

    Input shape:
        `[image, centre, width]`: `(batch, height, width, channels)`, and `(batch, 1)` twice. A
        width is at least 1 with LINEAR and above 0 with the others, as the standard says; what
        is not gives NaN.

    Output shape:
        As the image.

    Raises:
        ValueError: for another function, or `low` not below `high`.

    Example:
        >>> x = np.array([[[[-100.0], [40.0], [300.0]]]])
        >>> window = DicomWindow("LINEAR_EXACT")
        >>> window([x, np.array([[40.0]]), np.array([[400.0]])])[0, 0, :, 0]
        [0.15, 0.5, 1.0]

    Reference:
        DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3. The oracle is `pydicom.pixels.apply_windowing`.
    """

    def __init__(
        self, function: str = "LINEAR", low: float = 0.0, high: float = 1.0, **kwargs: Any
    ) -> None:
        # Integers of 16 bits and more must not go through a narrower float.
        super().__init__(autocast=False, **kwargs)
        self.function = choice("function", function, FUNCTIONS)
        self.low = number("low", low, "the darkest output")
        self.high = number("high", high, "the brightest output")
        if self.low >= self.high:
            raise invalid("high", f"above `low`, {self.low:g}", high)

    def build(self, input_shape: Any) -> None:
        real_images("image", listed(input_shape, _INPUTS, 0, self)[0], self)
        self.built = True

    def call(self, inputs: Any) -> Array:
        x, centre, width = (ops.cast(x, self.compute_dtype) for x in inputs)
        centre, width = centre[:, :, None, None], width[:, :, None, None]
        smallest = 1.0 if self.function == "LINEAR" else 0.0
        allowed = width >= smallest if self.function == "LINEAR" else width > smallest
        width = ops.where(allowed, width, ops.cast(float("nan"), width.dtype))
        if self.function == "SIGMOID":
            t: Array = ops.sigmoid(4 * (x - centre) / width)
        elif self.function == "LINEAR_EXACT":
            t = ops.clip((x - centre) / width + 0.5, 0, 1)
        else:
            t = _linear(x, centre - 0.5, width - 1)
        return self.low + (self.high - self.low) * t

    def compute_output_shape(self, input_shape: Any) -> Shape:
        return tuple(listed(input_shape, _INPUTS, 0, self)[0])

    def get_config(self) -> dict[str, Any]:
        config = {"function": self.function, "low": self.low, "high": self.high}
        return {**super().get_config(), **config}


def _linear(x: Array, centre: Array, width: Array) -> Array:
    """The share of the window below x; a step at the centre where the window has no width."""
    step = ops.cast(x > centre, x.dtype)
    some = ops.where(width == 0, ops.ones_like(width), width)
    return ops.where(width == 0, step, ops.clip((x - centre) / some + 0.5, 0, 1))
