"""Linear along parallel rays and its exact adjoint, both by gathering.

Joseph's method (IEEE Trans. Med. Imaging 1, 1982). A ray at the angle t and the distance k from
the centre is the line i cos t - j sin t = k, with i the column and j the row, which counts
downwards. One weight serves both ways:

    w(k; i, j) = hat((k - i c - j s) / m) / m,   m = max(|c|, |s|),   hat(u) = max(0, 1 - |u|)

with c = cos t, s = -sin t. On its way along the driving axis (the rows where |c| >= |s|) a ray
meets two pixels in each row; and since the hat is 2 m <= 2 bins wide, a pixel meets two rays of a
view. So neither direction scatters, both are deterministic, and they are a matched pair to
rounding.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from lamina._common import Array, received
from lamina._common._fast import floor, segment_sum, take_rows, xla_graph
from lamina.imaging._adjoint_pair import Linear, adjoint_pair


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


def matched_pair(geometry: Geometry) -> tuple[Linear, Linear]:
    """`(project, backproject)`: images `(size, size, columns)` to sinograms `(angles, bins,
    columns)` and back.
    """
    return adjoint_pair(lambda x: project(geometry, x), lambda y: backproject(geometry, y))


def interpolating_backprojection(geometry: Geometry) -> Linear:
    """`backproject(matched=False)` with its gradient."""
    return adjoint_pair(lambda y: backproject(geometry, y, False), lambda x: spread(geometry, x))[0]


@xla_graph
def project(geometry: Geometry, x: Array) -> Array:
    """Line integrals of an image `(size, size, columns)` along all rays."""
    size = geometry.size
    sizes: Array = ops.shape(x)
    columns = sizes[2]
    # Zeros beside the image: a ray that misses it needs no case of its own.
    by_rows = ops.pad(x, ((0, 0), _BESIDE, (0, 0)))
    by_columns = ops.pad(ops.transpose(x, (1, 0, 2)), ((0, 0), _BESIDE, (0, 0)))
    both = ops.concatenate([by_rows, by_columns], axis=0)
    both = ops.reshape(both, (2 * size * (size + 3), columns))

    def view(direction: tuple[Array, Array]) -> Array:
        return _project_view(geometry, *direction, both)

    # One view at a time: memory does not grow with their number. (`ops.scan` would ask TensorFlow
    # for outputs in the shape of its state.)
    return ops.map(view, geometry.directions())


def _project_view(geometry: Geometry, c: Array, s: Array, both: Array) -> Array:
    along_rows = ops.abs(c) >= ops.abs(s)
    large, small = ops.where(along_rows, c, s), ops.where(along_rows, s, c)
    k = geometry.positions(geometry.bins, geometry.bin_centre)[:, None]
    j = geometry.positions(geometry.size, geometry.pixel_centre)[None, :]
    # The hat in units of the driving axis is linear interpolation between two pixels.
    place = (k - j * small) / large + _constant(geometry.pixel_centre, geometry)
    first, share = _between(place, geometry.size)
    lines = np.arange(geometry.size, dtype="int32") * (geometry.size + 3)
    start: Array = ops.convert_to_tensor(lines)
    columns = lines.size * (lines.size + 3)  # where the transposed image begins
    index = first + start + ops.cast(ops.logical_not(along_rows), "int32") * columns
    low, high = take_rows(both, index), take_rows(both[1:], index)
    return ops.sum(low + share[..., None] * (high - low), axis=1) / ops.abs(large)


@xla_graph
def backproject(geometry: Geometry, y: Array, matched: bool = True) -> Array:
    """The adjoint of `project`: a sinogram `(angles, bins, columns)` back along the rays.

    `matched=False`: linear interpolation between bins instead, as filtered backprojection does.
    """
    c, s = geometry.directions()
    shape = (geometry.size, geometry.size, ops.shape(y)[2])
    y = ops.pad(y, ((0, 0), _BESIDE, (0, 0)))

    def add(view: Array, total: Array) -> Array:
        first, *weights = _rays(geometry, c[view], s[view], matched)
        bins = y[view]  # not `y[view, 1:]`, which XLA gets wrong where `view` is a tensor
        low, high = take_rows(bins, first), take_rows(bins[1:], first)
        return total + weights[0] * low + weights[1] * high

    return ops.fori_loop(0, len(geometry.angles), add, ops.zeros(shape, geometry.dtype))


@xla_graph
def spread(geometry: Geometry, x: Array) -> Array:
    """The adjoint of `backproject(matched=False)`: each pixel is added to the two nearest bins."""
    beside = sum(_BESIDE)

    def view(direction: tuple[Array, Array]) -> Array:
        first, *weights = _rays(geometry, *direction, matched=False)
        parts = ops.concatenate([ops.reshape(w * x, (-1, ops.shape(x)[2])) for w in weights])
        first = ops.reshape(first, (-1,))
        found = segment_sum(parts, ops.concatenate([first, first + 1]), geometry.bins + beside)
        return found[_BESIDE[0] : -_BESIDE[1]]

    return ops.map(view, geometry.directions())


def _rays(geometry: Geometry, c: Array, s: Array, matched: bool) -> tuple[Array, Array, Array]:
    """For each pixel the first of the two rays of a view that meet it, and the weights of both."""
    place = geometry.positions(geometry.size, geometry.pixel_centre)
    rows = place[:, None] * s + _constant(geometry.bin_centre, geometry)
    first, share = _between(rows + place[None, :] * c, geometry.bins)
    share = share[..., None]
    if not matched:
        return first, 1 - share, share
    # hat(u / m) / m on both sides, u being `share` and `1 - share`.
    width: Array = ops.where(ops.abs(c) >= ops.abs(s), ops.abs(c), ops.abs(s))
    peak = 1 / width
    slope = share * (peak * peak)
    return first, ops.relu(peak - slope), ops.relu(peak - peak * peak + slope)


_BESIDE = (1, 2)  # zeros on both sides of a line, for places from -1 to its end


def _between(place: Array, count: int) -> tuple[Array, Array]:
    """For places on a line of `count`: the index of the value below in the line with zeros on both
    sides, and how far the place is above it. Beyond the line there are zeros alone.
    """
    place = ops.clip(place, -1, count)
    below = floor(place)
    return ops.cast(below, "int32") + 1, place - below


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
