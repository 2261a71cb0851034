"""An image from its line integrals, in one step."""

from typing import Any

import keras
import numpy as np
from keras import ops

from lamina._common import Array, Shape, choice, positive_integer, received, register
from lamina._common._fast import product
from lamina.imaging._checks import at_least_single, known_sizes, real_images
from lamina.imaging._parallel_beam import checked_angles, interpolating_backprojection
from lamina.imaging._radon import CENTRES, geometry_of

FILTERS = ("ramp", "shepp-logan", "cosine", "hamming", "hann", None)


@register
class FilteredBackprojection(keras.layers.Layer):
    """The inverse of the Radon transform by filtered backprojection.

        x = pi / (2 A) B (R y)

    with A views, the filter R along the detector, a Toeplitz matrix, and B, which adds to each
    pixel what linear interpolation between the two nearest bins gives in every view.

    Args:
        angles: In radians, spread evenly over half a turn.
        size: Of the image.
        filter: "ramp" is exact for what the detector resolves; the others damp high frequencies
            more and more; None: backprojection alone.
        centre: As in `Radon`.

    Input shape:
        `(batch, angles, bins, channels)`; the bins must be known.

    Output shape:
        `(batch, size, size, channels)`.

    Raises:
        ValueError: for angles that are not finite, another filter, or a sinogram with another
            number of views.

    Example:
        >>> angles = np.linspace(0, np.pi, 60, endpoint=False)
        >>> sinogram = lamina.Radon(angles, bins=15)(np.ones((1, 8, 8, 1)))
        >>> image = FilteredBackprojection(angles, size=8)(sinogram)
        >>> bool(abs(image[0, 3, 3, 0] - 1) < 0.05)
        True

    Reference:
        Kak and Slaney, Principles of Computerized Tomographic Imaging, section 3.3, equation 61.
        The oracle is `skimage.transform.iradon`.
    """

    def __init__(
        self,
        angles: Any,
        size: int,
        filter: str | None = "ramp",
        centre: str = "middle",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.angles = checked_angles(angles)
        self.size = positive_integer("size", size, "the size of the image")
        self.filter = choice("filter", filter, FILTERS)
        self.centre = choice("centre", centre, CENTRES)

    def build(self, input_shape: Shape) -> None:
        shape = real_images("inputs", input_shape, self)
        views, bins = known_sizes("inputs", shape, self)
        if views != len(self.angles):
            raise ValueError(
                f"`inputs` of FilteredBackprojection {self.name!r} must have {len(self.angles)} "
                f"views, one for each angle. {received('inputs.shape', shape)}"
            )
        dtype = self.compute_dtype
        geometry = geometry_of(self.angles, bins, self.size, self.centre, dtype)
        self._backproject = interpolating_backprojection(geometry)
        self.response = None
        if self.filter is not None:
            # A weight, so that XLA does not fold it as a constant.
            self.response = self.add_weight(
                name="response",
                shape=(bins, bins),
                initializer=lambda shape, dtype: ops.convert_to_tensor(
                    _toeplitz(bins, self.filter), dtype
                ),
                trainable=False,
            )

    def call(self, inputs: Array) -> Array:
        sizes: Array = ops.shape(inputs)
        batch, views, bins, channels = sizes
        y = ops.transpose(inputs, (0, 3, 1, 2))
        if self.response is not None:
            y = product(y, ops.cast(self.response, self.compute_dtype))
        y = ops.reshape(ops.transpose(y, (2, 3, 0, 1)), (views, bins, batch * channels))
        x = self._backproject(ops.cast(y, at_least_single(self.compute_dtype)))
        x = ops.reshape(x, (self.size, self.size, batch, channels))
        scale: Array = ops.convert_to_tensor(np.pi / (2 * len(self.angles)), x.dtype)
        return ops.cast(ops.transpose(x, (2, 0, 1, 3)) * scale, self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.size, self.size, input_shape[3])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "angles": list(self.angles),
            "size": self.size,
            "filter": self.filter,
            "centre": self.centre,
        }


def _toeplitz(bins: int, filter: str) -> np.ndarray:
    """Convolution with the filter's response as a symmetric matrix."""
    # Twice the detector, so that the circular convolution of the transform does not wrap.
    n = max(64, 2 ** int(np.ceil(np.log2(2 * bins))))
    k = np.minimum(np.arange(n), n - np.arange(n))
    # The ramp up to the detector's limit, in space: equation 61 of the reference, times 2.
    ramp = np.zeros(n)
    ramp[0] = 0.5
    ramp[k % 2 == 1] = -2 / (np.pi * k[k % 2 == 1]) ** 2
    response = np.fft.ifft(np.fft.fft(ramp).real * _window(n, filter)).real
    index = np.abs(np.arange(bins)[:, None] - np.arange(bins))
    return response[index]


def _window(n: int, filter: str) -> np.ndarray:
    """What damps high frequencies, over the n frequencies in the order of the transform."""
    frequency = np.fft.fftfreq(n)
    shifted = np.fft.fftshift
    if filter == "shepp-logan":
        return np.sinc(frequency)
    if filter == "cosine":
        return shifted(np.sin(np.linspace(0, np.pi, n, endpoint=False)))
    if filter == "hamming":
        return shifted(np.hamming(n))
    if filter == "hann":
        return shifted(np.hanning(n))
    return np.ones(n)
