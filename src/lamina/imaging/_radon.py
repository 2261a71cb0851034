"""The Radon transform: line integrals of an image."""

from typing import Any

from keras import ops

from lamina._common import Array, Shape, choice, positive_integer, received, register
from lamina.imaging._checks import at_least_single, known_sizes, real_images
from lamina.imaging._operator import MeasurementOperator
from lamina.imaging._parallel_beam import Geometry, checked_angles, matched_pair

CENTRES = ("middle", "pixel")


@register
class Radon(MeasurementOperator):
    """The Radon transform of images along parallel rays, with its exact adjoint.

        y[a, k] = sum_ij w(k; i, j) x[j, i],    w = hat((k - i c + j s) / m) / m

    with column i and row j counted from the centre, rows downwards, c = cos(angles[a]),
    s = sin(angles[a]), m = max(|c|, |s|) and hat(u) = max(0, 1 - |u|): linear interpolation along
    the rows or columns that a ray crosses (Joseph). Pixels and bins are one unit apart. The angle
    0 sums over rows, as in scikit-image.

    Args:
        angles: In radians, at least one.
        bins: Of the detector. The whole of a size x size image needs about 1.42 size + 2.
        centre: The axis of rotation: "middle", (n - 1) / 2, is that of the image; "pixel", n // 2,
            is scikit-image's, for pixels and bins.

    Input shape:
        `(batch, size, size, channels)`; the size must be known.

    Output shape:
        `(batch, angles, bins, channels)`. The adjoint takes it back.

    Raises:
        ValueError: for angles that are not finite, or images that are not square.

    Example:
        >>> disc = np.ones((1, 2, 2, 1))
        >>> Radon(angles=[0.0], bins=2)(disc)[0, :, :, 0]
        [[2.0, 2.0]]

    Reference:
        Joseph, IEEE Trans. Med. Imaging 1 (1982). The oracle is the closed form for ellipses (Kak
        and Slaney, Principles of Computerized Tomographic Imaging, equation 3.4).
    """

    def __init__(self, angles: Any, bins: int, centre: str = "middle", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.angles = checked_angles(angles)
        self.bins = positive_integer("bins", bins, "the number of bins of the detector")
        self.centre = choice("centre", centre, CENTRES)

    def build(self, input_shape: Shape) -> None:
        size, width = known_sizes("inputs", real_images("inputs", input_shape, self), self)
        if size != width:
            raise ValueError(
                f"`inputs` of Radon {self.name!r} must be square images: pad them. "
                f"{received('inputs.shape', tuple(input_shape))}"
            )
        self.size = size
        geometry = geometry_of(self.angles, self.bins, size, self.centre, self.compute_dtype)
        self._project, self._backproject = matched_pair(geometry)
        self.built = True

    def call(self, inputs: Array) -> Array:
        return self._with_batch_last(self._project, inputs)

    def apply_adjoint(self, inputs: Array) -> Array:
        return self._with_batch_last(self._backproject, inputs)

    def _with_batch_last(self, function: Any, x: Array) -> Array:
        """`function` on `(h, w, columns)`: a batch in the last axis shares indices and weights."""
        x = ops.cast(x, at_least_single(self.compute_dtype))
        sizes: Array = ops.shape(x)
        batch, height, width, channels = sizes
        columns = ops.reshape(ops.transpose(x, (1, 2, 0, 3)), (height, width, batch * channels))
        y = function(columns)
        height, width = y.shape[:2]
        y = ops.transpose(ops.reshape(y, (height, width, batch, channels)), (2, 0, 1, 3))
        return ops.cast(y, self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], len(self.angles), self.bins, input_shape[3])

    def adjoint_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.size, self.size, input_shape[3])

    def get_config(self) -> dict[str, Any]:
        config = {"angles": list(self.angles), "bins": self.bins, "centre": self.centre}
        return {**super().get_config(), **config}


def geometry_of(
    angles: tuple[float, ...], bins: int, size: int, centre: str, dtype: str
) -> Geometry:
    """The rays of a detector of `bins` around an image of `size`."""
    pixel, bin_ = (float(n // 2 if centre == "pixel" else (n - 1) / 2) for n in (size, bins))
    return Geometry(angles, bins, size, pixel, bin_, at_least_single(dtype))
