"""Displacements of pixels as coordinates to sample at."""

from typing import Any

import keras
from keras import ops

from lamina._common import Array, Shape, integer, register
from lamina.imaging._checks import known_sizes, real_images
from lamina.imaging._resample import Resample


@register
class DisplacementField(keras.layers.Layer):
    """The coordinates that a displacement field leads to, for `Resample`.

        y[p] = p + u[p]

    With `squarings` the input is a stationary velocity field v, which is integrated over one unit
    of time by scaling and squaring: u = v / 2^n, then n times u[p] <- u[p] + u[p + u[p]]. The
    result is a smooth map with a smooth inverse, given by -v.

    Args:
        squarings: n; 0: the input is the displacement itself.

    Input shape:
        `(batch, height, width, 2)`: (rows, columns) in pixels; height and width must be known.

    Output shape:
        As the input: (row, column) of where each pixel's value comes from.

    In half precision coordinates above 256 (bfloat16) or 2048 (float16) are whole pixels off: under
    a mixed policy give this layer `dtype="float32"`. `Resample` takes them as they are.

    Raises:
        ValueError: for a number of squarings below 0, or an input that is not pairs.

    Example:
        >>> DisplacementField()(np.full((1, 1, 2, 2), 0.5))[0, 0]
        [[0.5, 0.5], [0.5, 1.5]]

    Reference:
        Arsigny et al., MICCAI 2006, scaling and squaring; Dalca et al., Med. Image Anal. 57 (2019).
    """

    def __init__(self, squarings: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.squarings = integer("squarings", squarings, "how often to compose", low=0, high=30)
        self._resample = Resample(border="nearest", dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        shape = real_images("inputs", input_shape, self, channels=2)
        self.size = known_sizes("inputs", shape, self)
        self._resample.build([shape, shape])
        self.built = True

    def call(self, inputs: Array) -> Array:
        pixels = self._pixels(inputs.dtype)
        u = inputs / 2**self.squarings
        for _ in range(self.squarings):
            u = u + self._resample([u, pixels + u])
        return pixels + u

    def _pixels(self, dtype: Any) -> Array:
        rows = ops.arange(self.size[0], dtype=dtype)[:, None, None]
        columns = ops.arange(self.size[1], dtype=dtype)[None, :, None]
        zero = ops.zeros((*self.size, 1), dtype=dtype)
        return ops.concatenate([rows + zero, columns + zero], axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "squarings": self.squarings}
