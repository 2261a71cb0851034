"""Projection along parallel rays and its exact adjoint, both by gathering.

Joseph's method (IEEE Trans. Med. Imaging 1, 1982). A ray at the angle t and the distance k from
the centre is the line i cos t - j sin t = k, with i the column and j the row, which counts
downwards. One weight serves both ways:

    w(k; i, j) = hat((k - i c - j s) / m) / m,   m = max(|c|, |s|),   hat(u) = max(0, 1 - |u|)

with c = cos t, s = -sin t. On its way along the driving axis (the rows where |c| >= |s|) a ray
meets two pixels in each row; and since the hat is 2 m <= 2 bins wide, a pixel meets two rays of a
view. So neither direction scatters, both are deterministic, and they are a matched pair to
rounding.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from lamina._common import Array, received
from lamina._common._fast import floor, take_rows

Projection = Callable[[Array], Array]


@dataclass(frozen=True)
class Geometry:
    """Parallel rays through a square image.

    Attributes:
        angles: In radians.
        bins: Of the detector, one pixel apart.
        size: Of the image, in pixels.
        pixel_centre, bin_centre: Where position 0 is among the pixels and among the bins.
        dtype: Of all arithmetic.
    """

    angles: tuple[float, ...]
    bins: int
    size: int
    pixel_centre: float
    bin_centre: float
    dtype: str

    def directions(self) -> tuple[Array, Array]:
        """c and s of each view."""
        angles = np.asarray(self.angles, "float64")
        pair = (np.cos(angles), -np.sin(angles))
        # Where two pixels a row are exactly met, rounding of cos(pi / 2) must not choose a row.
        exact = (np.where(np.abs(part) < 1e-15, 0.0, part) for part in pair)
        c, s = (ops.convert_to_tensor(part.astype(self.dtype), self.dtype) for part in exact)
        return c, s

    def positions(self, count: int, centre: float) -> Array:
        """0, 1, ... `count - 1`, counted from `centre`."""
        return ops.convert_to_tensor((np.arange(count) - centre).astype(self.dtype), self.dtype)


def matched_pair(geometry: Geometry) -> tuple[Projection, Projection]:
    """`(project, backproject)`: images `(size, size, columns)` to sinograms `(angles, bins,
    columns)` and back, each the other's gradient: differentiable any number of times.
    """

    @ops.custom_gradient
    def forward(x: Array) -> tuple[Array, Callable]:
        def grad(*args: Array, upstream: Array | None = None) -> Array:
            return adjoint(args[0] if upstream is None else upstream)

        return project(geometry, x), grad

    @ops.custom_gradient
    def adjoint(y: Array) -> tuple[Array, Callable]:
        def grad(*args: Array, upstream: Array | None = None) -> Array:
            return forward(args[0] if upstream is None else upstream)

        return backproject(geometry, y), grad

    return forward, adjoint


def project(geometry: Geometry, x: Array) -> Array:
    """Line integrals of an image `(size, size, columns)` along all rays."""
    columns = ops.shape(x)[2]
    pixels = geometry.size**2
    by_rows = ops.reshape(x, (pixels, columns))
    by_columns = ops.reshape(ops.transpose(x, (1, 0, 2)), (pixels, columns))

    def view(direction: tuple[Array, Array]) -> Array:
        return _project_view(geometry, *direction, by_rows, by_columns)

    # One view at a time: memory does not grow with their number. (`ops.scan` would ask TensorFlow
    # for outputs in the shape of its state.)
    return ops.map(view, geometry.directions())


def _project_view(geometry: Geometry, c: Array, s: Array, rows: Array, columns: Array) -> Array:
    along_rows = ops.abs(c) >= ops.abs(s)
    x = ops.where(along_rows, rows, columns)
    large, small = ops.where(along_rows, c, s), ops.where(along_rows, s, c)
    k = geometry.positions(geometry.bins, geometry.bin_centre)[:, None]
    j = geometry.positions(geometry.size, geometry.pixel_centre)[None, :]
    place = (k - j * small) / large + _constant(geometry.pixel_centre, geometry)
    first = floor(place)
    start = ops.arange(geometry.size, dtype="int32") * geometry.size
    total = None
    for offset in (0, 1):
        i = first + _constant(offset, geometry)
        # The hat in units of the driving axis: (k - i c - j s) / m is place - i up to the sign.
        weight = _hat(place - i, geometry) / ops.abs(large)
        index = ops.cast(i, "int32")
        inside = ops.logical_and(index >= 0, index < geometry.size)
        weight = ops.where(inside, weight, ops.zeros_like(weight))
        index = start + ops.clip(index, 0, geometry.size - 1)
        part = ops.sum(weight[..., None] * take_rows(x, index), axis=1)
        total = part if total is None else total + part
    return total


def backproject(geometry: Geometry, y: Array, matched: bool = True) -> Array:
    """The adjoint of `project`: a sinogram `(angles, bins, columns)` back along the rays.

    `matched=False`: linear interpolation between bins instead, as filtered backprojection does.
    """
    c, s = geometry.directions()
    shape = (geometry.size, geometry.size, ops.shape(y)[2])

    def add(view: Array, total: Array) -> Array:
        return total + _backproject_view(geometry, c[view], s[view], y[view], matched)

    return ops.fori_loop(0, len(geometry.angles), add, ops.zeros(shape, geometry.dtype))


def _backproject_view(geometry: Geometry, c: Array, s: Array, y: Array, matched: bool) -> Array:
    place = geometry.positions(geometry.size, geometry.pixel_centre)
    distance = place[None, :] * c + place[:, None] * s
    along_rows = ops.abs(c) >= ops.abs(s)
    width = ops.abs(ops.where(along_rows, c, s)) if matched else ops.ones_like(c)
    distance = distance + _constant(geometry.bin_centre, geometry)
    first = floor(distance)
    total = None
    for offset in (0, 1):
        k = first + _constant(offset, geometry)
        weight = _hat((k - distance) / width, geometry) / width
        index = ops.cast(k, "int32")
        inside = ops.logical_and(index >= 0, index < geometry.bins)
        weight = ops.where(inside, weight, ops.zeros_like(weight))
        part = weight[..., None] * take_rows(y, ops.clip(index, 0, geometry.bins - 1))
        total = part if total is None else total + part
    return total


def _hat(u: Array, geometry: Geometry) -> Array:
    return ops.relu(_constant(1, geometry) - ops.abs(u))


def _constant(value: float, geometry: Geometry) -> Array:
    # A plain Python number makes float64 arithmetic float32 on PyTorch.
    return ops.convert_to_tensor(value, geometry.dtype)


def checked_angles(angles: Any) -> tuple[float, ...]:
    """Angles as plain floats, or a ValueError."""
    values = np.asarray(angles, "float64") if np.ndim(angles) == 1 else np.zeros(0)
    if len(values) == 0 or not np.isfinite(values).all():
        raise ValueError(
            "`angles` must be a list of finite angles in radians, at least one: np.linspace(0, "
            f"np.pi, 180, endpoint=False). {received('angles', angles)}"
        )
    return tuple(float(v) for v in values)
