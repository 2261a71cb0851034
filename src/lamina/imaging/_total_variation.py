"""Total variation: what it is, and the proximal step that makes it small."""

from typing import Any

import keras
from keras import ops

from lamina._common import Array, Shape, number, positive_integer, register
from lamina.imaging._checks import real_images


@register
class TotalVariation(keras.layers.Layer):
    """The proximal step of the isotropic total variation: denoised images with kept edges.

        y = argmin_y |y - x|^2 / 2 + weight TV(y),   TV(y) = sum_p |grad y[p]|

    by Chambolle's dual iteration, a fixed number of steps; each channel by itself, differences to
    the next pixel, none beyond the border.

    Args:
        weight: How much variation counts, above 0.
        iterations: Steps.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        As the input. `layer.variation(x)`: `(batch,)`, for a loss.

    Raises:
        ValueError: for a weight of 0 or below.

    Example:
        >>> x = np.array([[[[0.0], [0.0], [1.0], [1.0]]]])
        >>> float(TotalVariation(0.1).variation(x)[0])
        1.0

    Reference:
        Chambolle, J. Math. Imaging Vis. 20 (2004). The oracle is
        `skimage.restoration.denoise_tv_chambolle` with `eps=0`.
    """

    def __init__(self, weight: float = 0.1, iterations: int = 50, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.weight = number("weight", weight, "how much variation counts", low=1e-12)
        self.iterations = positive_integer("iterations", iterations, "the steps of the iteration")

    def build(self, input_shape: Shape) -> None:
        real_images("inputs", input_shape, self)
        self.built = True

    def call(self, inputs: Array) -> Array:
        rows, columns = ops.zeros_like(inputs), ops.zeros_like(inputs)
        # The largest step for which Chambolle proves convergence in two dimensions.
        step = 1 / 4
        for _ in range(self.iterations - 1):
            along_rows, along_columns = _gradient(inputs - _divergence(rows, columns))
            size = 1 + _magnitude(along_rows, along_columns) * (step / self.weight)
            rows = (rows - step * along_rows) / size
            columns = (columns - step * along_columns) / size
        return inputs - _divergence(rows, columns)

    def variation(self, x: Array) -> Array:
        """TV of each image, summed over its channels."""
        x = ops.convert_to_tensor(x, self.compute_dtype)
        return ops.sum(_magnitude(*_gradient(x)), axis=(1, 2, 3))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "weight": self.weight, "iterations": self.iterations}


def _gradient(x: Array) -> tuple[Array, Array]:
    """Differences to the next row and column, 0 at the last."""
    rows = ops.pad(x[:, 1:] - x[:, :-1], ((0, 0), (0, 1), (0, 0), (0, 0)))
    columns = ops.pad(x[:, :, 1:] - x[:, :, :-1], ((0, 0), (0, 0), (0, 1), (0, 0)))
    return rows, columns


def _divergence(rows: Array, columns: Array) -> Array:
    """Minus the adjoint of the gradient, up to the sign: p[i] - p[i - 1]."""
    before_rows = ops.pad(rows[:, :-1], ((0, 0), (1, 0), (0, 0), (0, 0)))
    before_columns = ops.pad(columns[:, :, :-1], ((0, 0), (0, 0), (1, 0), (0, 0)))
    return rows - before_rows + columns - before_columns


def _magnitude(rows: Array, columns: Array) -> Array:
    power = rows * rows + columns * columns
    # The root's derivative at 0 is infinite; a flat area must not make gradients NaN.
    positive = power > 0
    root = ops.sqrt(ops.where(positive, power, ops.ones_like(power)))
    return ops.where(positive, root, ops.zeros_like(root))
