"""The Fourier transform of images at any frequencies."""

from typing import Any

import numpy as np
from keras import ops

from lamina._common import Array, Shape, integer, received, register
from lamina._common._fast import segment_sum, take_rows
from lamina.imaging._checks import complex_images, known_sizes
from lamina.imaging._complex import Pair, fourier, join, split
from lamina.imaging._operator import MeasurementOperator

# Of the kernel exp(beta (sqrt(1 - t^2) - 1)), for a grid twice as fine: Barnett, Magland and af
# Klinteberg, SIAM J. Sci. Comput. 41 (2019), section 3.2.
_BETA_PER_TAP = 2.30
_NODES = 64  # of the quadrature for the kernel's transform, more than rounding asks for


@register
class NUFFT(MeasurementOperator):
    """The Fourier transform of images along a trajectory in k-space: radial, spiral, any.

        y[m] = 1/sqrt(h w) sum_ij x[i, j] exp(-2 pi i (u_m i + v_m j))

    with i, j counted from the centre, h // 2 and w // 2, and (u_m, v_m) = trajectory[m]. On a grid
    of frequencies it is `Fourier2D`. By gridding: a Fourier transform twice as fine, then `width` x
    `width` of its values for each point.

    Args:
        trajectory: `(points, 2)`, in cycles a pixel from -0.5 up to 0.5 (excluded), along (rows,
            columns).
        width: Values of the grid along each axis for a point, from 2 to 16. The error falls about
            tenfold with each one: 1e-3 at 4, 1e-5 at 6, 1e-9 at 10.

    Input shape:
        `(batch, height, width, 2)`: real and imaginary part; height and width must be known.

    Output shape:
        `(batch, points, 2)`. The adjoint takes it back.

    Raises:
        ValueError: for a trajectory outside [-0.5, 0.5).

    Example:
        >>> x = np.zeros((1, 4, 4, 2))
        >>> x[0, 2, 2, 0] = 4.0
        >>> bool(abs(NUFFT([[0.1, -0.3]])(x)[0, 0, 0] - 1) < 2e-5)
        True

    Reference:
        Barnett, Magland and af Klinteberg, SIAM J. Sci. Comput. 41 (2019). The oracle is the direct
        sum.
    """

    def __init__(self, trajectory: Any, width: int = 6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.trajectory = _checked(trajectory)
        self.width = integer("width", width, "values of the grid for a point", low=2, high=16)

    def build(self, input_shape: Shape) -> None:
        shape = complex_images("inputs", input_shape, self, rank=4)
        self.size = known_sizes("inputs", shape, self)
        axes = [self._taps(n, self.trajectory[:, i]) for i, n in enumerate(self.size)]
        # Weights, and not constants, which XLA would fold for minutes.
        self.places = self._table("places", np.stack([places for places, _ in axes]), "int32")
        self.shares = self._table("shares", np.stack([shares for _, shares in axes]))
        scales = [self._scale(n) for n in self.size]
        self.scale = self._table("scale", np.outer(*scales))
        self.built = True

    def _table(self, name: str, values: np.ndarray, dtype: str | None = None) -> Any:
        return self.add_weight(
            name=name,
            shape=values.shape,
            dtype=dtype,
            initializer=lambda shape, dtype: ops.convert_to_tensor(values, dtype),
            trainable=False,
        )

    def _taps(self, size: int, frequencies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`(width, points)`: the places of the fine grid around each frequency, their weights."""
        fine = 2 * size
        position = frequencies * fine
        places = np.ceil(position - self.width / 2) + np.arange(self.width)[:, None]
        shares = self._kernel((places - position) * 2 / self.width)
        return (places.astype(int) + size) % fine, shares

    def _kernel(self, t: np.ndarray) -> np.ndarray:
        root = np.sqrt(np.maximum(0, 1 - t * t))
        return np.where(np.abs(t) <= 1, np.exp(_BETA_PER_TAP * self.width * (root - 1)), 0.0)

    def _scale(self, size: int) -> np.ndarray:
        """What each pixel is multiplied by, since the kernel's transform multiplies the image."""
        nodes, weights = np.polynomial.legendre.leggauss(_NODES)
        pixels = np.arange(size) - size // 2
        waves = np.cos(np.pi * pixels[:, None] / (2 * size) * nodes * self.width)
        transform = self.width / 2 * (waves * self._kernel(nodes) * weights).sum(1)
        return np.sqrt(2) / transform  # the fine transform is divided by sqrt(2 n), not sqrt(n)

    def call(self, inputs: Array) -> Array:
        scale = ops.cast(self.scale, self.compute_dtype)
        fine = fourier(tuple(self._padded(part * scale) for part in split(inputs)))
        batch: Array = ops.shape(inputs)[0]
        grid = _columns(fine, 4 * self.size[0] * self.size[1])
        total = None
        for place, share in self._rows():
            shares = ops.cast(self.shares, self.compute_dtype)[1][..., None]
            part = share[:, None] * ops.sum(shares * take_rows(grid, place), axis=0)
            total = part if total is None else total + part
        return ops.transpose(ops.reshape(total, (-1, 2, batch)), (2, 0, 1))

    def apply_adjoint(self, inputs: Array) -> Array:
        batch: Array = ops.shape(inputs)[0]
        points = len(self.trajectory)
        height, width = (2 * n for n in self.size)
        columns = ops.reshape(ops.transpose(inputs, (1, 2, 0)), (points, 2 * batch))
        grid = None
        for place, share in self._rows():
            shares = ops.cast(self.shares, self.compute_dtype)[1][..., None]
            parts = ops.reshape(shares * (share[:, None] * columns), (-1, 2 * batch))
            part = segment_sum(parts, ops.reshape(place, (-1,)), height * width)
            grid = part if grid is None else grid + part
        fine = ops.transpose(ops.reshape(grid, (height, width, 2, batch)), (2, 3, 0, 1))
        image = fourier((fine[0], fine[1]), inverse=True)
        scale = ops.cast(self.scale, self.compute_dtype)
        return join(tuple(self._cropped(part) * scale for part in image))

    def _rows(self) -> list[tuple[Array, Array]]:
        """For each tap along the rows: places in the flat grid `(width, points)`, and its weight.

        A few batched gathers: one alone would need `width` times the memory, and one for each of
        the width^2 values compiles for minutes.
        """
        places: Array = ops.convert_to_tensor(self.places)
        shares = ops.cast(self.shares, self.compute_dtype)
        columns = 2 * self.size[1]
        return [(places[0, a] * columns + places[1], shares[0, a]) for a in range(self.width)]

    def _padded(self, image: Array) -> Array:
        """Zeros around, twice the size, so that the centre is the centre again."""
        around = [(n - n // 2, n // 2) for n in self.size]
        return ops.pad(image, ((0, 0), *around))

    def _cropped(self, image: Array) -> Array:
        rows, columns = (slice(n - n // 2, 2 * n - n // 2) for n in self.size)
        return image[:, rows, columns]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], len(self.trajectory), 2)

    def adjoint_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], *self.size, 2)

    def get_config(self) -> dict[str, Any]:
        config = {"trajectory": self.trajectory.tolist(), "width": self.width}
        return {**super().get_config(), **config}


def _columns(z: Pair, rows: int) -> Array:
    """`(batch, h, w)` twice as `(h w, 2 batch)`: one index fetches all of a place."""
    both = ops.stack(z, axis=0)
    return ops.transpose(ops.reshape(both, (-1, rows)))


def _checked(trajectory: Any) -> np.ndarray:
    """Points `(points, 2)` in [-0.5, 0.5), or a ValueError."""
    points = np.asarray(trajectory, "float64")
    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
        raise ValueError(
            "`trajectory` must have the shape (points, 2): cycles a pixel along (rows, columns). "
            f"{received('trajectory.shape', points.shape)}"
        )
    if not ((points >= -0.5) & (points < 0.5)).all():
        raise ValueError(
            "`trajectory` must lie in [-0.5, 0.5), in cycles a pixel: divide radians by 2 pi, or "
            "indices of k-space by the size; 0.5 itself is -0.5. "
            f"{received('smallest', points.min(), largest=points.max())}"
        )
    return points
