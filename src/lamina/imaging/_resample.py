"""Sampling images at any coordinates."""

from typing import Any

from keras import ops

from lamina._common import Array, Shape, choice, received, register
from lamina._common._fast import floor, segment_sum, take_rows
from lamina.imaging._checks import at_least_single, known_sizes, listed, real_images
from lamina.imaging._operator import MeasurementOperator

BORDERS = ("zeros", "nearest")
_INPUTS = ("image", "coordinates")


@register
class Resample(MeasurementOperator):
    """The values of images at given coordinates, a set of its own for each image of the batch.

        order 1:  y[p] = sum of the four pixels around p, weighted by (1 - |dr|) (1 - |dc|)
        order 0:  y[p] = the nearest pixel

    Linear in the image; with order 1 differentiable by the coordinates too.

    Args:
        order: 1: bilinear; 0: nearest.
        border: What lies outside: "zeros", or "nearest" for the pixel at the border.

    Input shape:
        `[image, coordinates]`: `(batch, height, width, channels)` and `(batch, height', width',
        2)`, (row, column) in pixels. Height and width of the image must be known.

    Output shape:
        `(batch, height', width', channels)`. The adjoint takes `[values, coordinates]` back.

    Raises:
        ValueError: for another order or border, or coordinates that are not pairs.

    Example:
        >>> image = np.array([[[[0.0], [1.0]], [[2.0], [3.0]]]])
        >>> Resample()([image, np.array([[[[0.5, 0.5], [0.0, 1.5]]]])])[0, 0, :, 0]
        [1.5, 0.5]

    Reference:
        The oracle is `scipy.ndimage.map_coordinates`, modes "grid-constant" and "nearest".
    """

    def __init__(self, order: int = 1, border: str = "zeros", **kwargs: Any) -> None:
        # Coordinates must not go through half precision: at 300 a bfloat16 is 2 pixels off.
        super().__init__(autocast=False, **kwargs)
        self.order = choice("order", order, (0, 1))
        self.border = choice("border", border, BORDERS)

    def build(self, input_shape: Any) -> None:
        image, coordinates = listed(input_shape, _INPUTS, 0, self)
        self.size = known_sizes("image", real_images("image", image, self), self)
        if len(coordinates) != 4 or coordinates[-1] != 2:
            raise ValueError(
                f"`coordinates` of Resample {self.name!r} must have the shape (batch, height, "
                f"width, 2): (row, column) in pixels. "
                f"{received('coordinates.shape', tuple(coordinates))}"
            )
        self.built = True

    def call(self, inputs: Any) -> Array:
        image, coordinates = inputs
        image = ops.cast(image, self.compute_dtype)
        batch, channels = ops.shape(image)[0], ops.shape(image)[-1]
        flat = ops.reshape(image, (batch * self.size[0] * self.size[1], channels))
        total = None
        for weight, index in self._corners(coordinates):
            part = weight[..., None] * take_rows(flat, index)
            total = part if total is None else total + part
        return total

    def apply_adjoint(self, inputs: Any) -> Array:
        values, coordinates = inputs
        values = ops.cast(values, self.compute_dtype)
        batch, channels = ops.shape(values)[0], ops.shape(values)[-1]
        pixels = batch * self.size[0] * self.size[1]
        total = None
        for weight, index in self._corners(coordinates):
            parts = ops.reshape(weight[..., None] * values, (-1, channels))
            part = segment_sum(parts, ops.reshape(index, (-1,)), pixels)
            total = part if total is None else total + part
        return ops.reshape(total, (batch, *self.size, channels))

    def _corners(self, coordinates: Array) -> list[tuple[Array, Array]]:
        """Weight and place, among all pixels of the batch, of what a value is made of."""
        coordinates = ops.cast(coordinates, at_least_single(self.compute_dtype))
        batch = ops.shape(coordinates)[0]
        starts = ops.arange(batch, dtype="int32") * (self.size[0] * self.size[1])
        if self.border == "nearest":
            last = ops.convert_to_tensor([n - 1 for n in self.size], coordinates.dtype)
            # By `where`: Keras' `maximum` gives float32 for float64 on PyTorch.
            coordinates = ops.where(coordinates < last, coordinates, last)
            coordinates = ops.where(coordinates > 0, coordinates, ops.zeros_like(coordinates))
        half = ops.convert_to_tensor(0.5, coordinates.dtype)
        first = floor(coordinates if self.order else coordinates + half)
        share = coordinates - first
        found = []
        for corner in ((0, 0), (0, 1), (1, 0), (1, 1)) if self.order else ((0, 0),):
            weight, index = None, starts[:, None, None]
            for axis, offset in enumerate(corner):
                place = ops.cast(first[..., axis], "int32") + offset
                inside = ops.logical_and(place >= 0, place < self.size[axis])
                w = share[..., axis] if offset else 1 - share[..., axis]
                w = w if self.order else ops.ones_like(w)
                w = ops.where(inside, w, ops.zeros_like(w))
                weight = w if weight is None else weight * w
                stride = self.size[1] if axis == 0 else 1
                # Not `clip`, which TensorFlow writes as a float operation where the bound is 6.
                place = ops.maximum(ops.minimum(place, self.size[axis] - 1), 0)
                index = index + place * stride
            found.append((ops.cast(weight, self.compute_dtype), index))
        return found

    def compute_output_shape(self, input_shape: Any) -> Shape:
        image, coordinates = input_shape
        return (image[0], *coordinates[1:-1], image[-1])

    def adjoint_shape(self, input_shape: Any) -> Shape:
        values, _ = input_shape
        return (values[0], *self.size, values[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "order": self.order, "border": self.border}
