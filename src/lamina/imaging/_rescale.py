"""Stored pixel values to physical ones."""

from typing import Any

import keras
from keras import ops

from lamina._common import Array, Shape, register
from lamina.imaging._checks import listed, real_images


@register
class Rescale(keras.layers.Layer):
    """Stored values to physical ones, such as Hounsfield units.

        y = slope * x + intercept

    Slope and intercept are inputs, not configuration: another image has others.

    Input shape:
        `[image, slope, intercept]`: `(batch, height, width, channels)`, integers or floats, and
        `(batch, 1)` twice.

    Output shape:
        As the image, in the layer's dtype. Integers of up to 24 bits are exact in float32.

    Raises:
        ValueError: for inputs of other shapes.

    Example:
        >>> stored = np.array([[[[0], [1024]]]], "int16")
        >>> Rescale()([stored, np.array([[1.0]]), np.array([[-1024.0]])])[0, :, :, 0]
        [[-1024.0, 0.0]]

    Reference:
        DICOM PS3.3 C.11.1, modality LUT module. The oracle is `pydicom.pixels.apply_modality_lut`.
    """

    def __init__(self, **kwargs: Any) -> None:
        # Integers of 16 bits and more must not go through a narrower float.
        super().__init__(autocast=False, **kwargs)

    def build(self, input_shape: Any) -> None:
        real_images("image", listed(input_shape, _INPUTS, 0, self)[0], self)
        self.built = True

    def call(self, inputs: Any) -> Array:
        x, slope, intercept = (ops.cast(x, self.compute_dtype) for x in inputs)
        return x * slope[:, :, None, None] + intercept[:, :, None, None]

    def compute_output_shape(self, input_shape: Any) -> Shape:
        return tuple(listed(input_shape, _INPUTS, 0, self)[0])


_INPUTS = ("image", "slope", "intercept")
