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
from typing import Any, NamedTuple

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

    def directions(self) -> tuple[np.ndarray, np.ndarray]:
        """c and s of each view, in float64, `(angles, 1)`."""
        angles = np.asarray(self.angles, "float64")[:, None]
        pair = (np.cos(angles), -np.sin(angles))
        # Where two pixels a row are exactly met, rounding of cos(pi / 2) must not choose a row.
        c, s = (np.where(np.abs(part) < 1e-15, 0.0, part) for part in pair)
        return c, s

    def pixels(self) -> np.ndarray:
        """The places of a line of pixels, counted from the axis of rotation."""
        return np.arange(self.size) - self.pixel_centre


class Views(NamedTuple):
    """What the sums of all views need: of a view the place of `(a, b)` is `first[a] + second[b]`.

    Both are whole numbers and a part of -1/2 to 1/2. Places in float32 would be off by their
    size times its rounding, and each direction by another amount; parts are off by 3e-8.
    """

    first_whole: Array
    first_part: Array
    second_whole: Array
    second_part: Array
    along_rows: Array
    peak: Array  # 1 / m


def _views(geometry: Geometry, of: str) -> Views:
    """`of="rays"`: of ray a in line b along the driving axis, the place among the line's pixels.
    `of="pixels"`: of the pixel in row a and column b, the place among the bins.
    """
    c, s = geometry.directions()
    along_rows = np.abs(c) >= np.abs(s)
    large, small = np.where(along_rows, c, s), np.where(along_rows, s, c)
    pixels = geometry.pixels()
    if of == "rays":
        rays = np.arange(geometry.bins) - geometry.bin_centre
        first = rays / large + geometry.pixel_centre
        second = -pixels * (small / large)
    else:
        first = pixels * s + geometry.bin_centre
        second = pixels * c
    parts = []
    for places in (first, second):
        whole = np.rint(places)
        parts += [whole.astype("int32"), (places - whole).astype(geometry.dtype)]
    parts += [along_rows[:, 0], (1 / np.abs(large[:, 0])).astype(geometry.dtype)]
    return Views(*map(ops.convert_to_tensor, parts))


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
    sizes: Array = ops.shape(x)
    columns = sizes[2]
    # Zeros beside the image: a ray that misses it needs no case of its own.
    by_rows = ops.pad(x, ((0, 0), _BESIDE, (0, 0)))
    by_columns = ops.pad(ops.transpose(x, (1, 0, 2)), ((0, 0), _BESIDE, (0, 0)))
    both = ops.concatenate([by_rows, by_columns], axis=0)
    both = ops.reshape(both, (2 * _rows_of(geometry), columns))

    # One view at a time: memory does not grow with their number. (`ops.scan` would ask TensorFlow
    # for outputs in the shape of its state.)
    views = tuple(_views(geometry, "rays"))
    return ops.map(lambda view: _project_view(geometry, Views(*view), both), views)


def _project_view(geometry: Geometry, view: Views, both: Array) -> Array:
    # The hat in units of the driving axis is linear interpolation between two pixels.
    first, share = _between(view, geometry.size)
    lines = np.arange(geometry.size, dtype="int32") * (geometry.size + sum(_BESIDE))
    start: Array = ops.convert_to_tensor(lines)
    transposed = ops.cast(ops.logical_not(view.along_rows), "int32") * _rows_of(geometry)
    index = first + start + transposed
    low, high = take_rows(both, index), take_rows(both[1:], index)
    return ops.sum(low + share[..., None] * (high - low), axis=1) * view.peak


def _rows_of(geometry: Geometry) -> int:
    """Pixels of the image with zeros beside it: where the transposed one begins."""
    return geometry.size * (geometry.size + sum(_BESIDE))


@xla_graph
def backproject(geometry: Geometry, y: Array, matched: bool = True) -> Array:
    """The adjoint of `project`: a sinogram `(angles, bins, columns)` back along the rays.

    `matched=False`: linear interpolation between bins instead, as filtered backprojection does.
    """
    views = _views(geometry, "pixels")
    shape = (geometry.size, geometry.size, ops.shape(y)[2])
    y = ops.pad(y, ((0, 0), _BESIDE, (0, 0)))

    def add(view: Array, total: Array) -> Array:
        of = Views(*(part[view] for part in views))
        first, *weights = _rays(of, geometry.bins, matched)
        bins = y[view]  # not `y[view, 1:]`, which XLA gets wrong where `view` is a tensor
        low, high = take_rows(bins, first), take_rows(bins[1:], first)
        return total + weights[0] * low + weights[1] * high

    return ops.fori_loop(0, len(geometry.angles), add, ops.zeros(shape, geometry.dtype))


@xla_graph
def spread(geometry: Geometry, x: Array) -> Array:
    """The adjoint of `backproject(matched=False)`: each pixel is added to the two nearest bins."""
    beside = sum(_BESIDE)

    def view(of: tuple) -> Array:
        first, *weights = _rays(Views(*of), geometry.bins, matched=False)
        parts = ops.concatenate([ops.reshape(w * x, (-1, ops.shape(x)[2])) for w in weights])
        first = ops.reshape(first, (-1,))
        found = segment_sum(parts, ops.concatenate([first, first + 1]), geometry.bins + beside)
        return found[_BESIDE[0] : -_BESIDE[1]]

    return ops.map(view, tuple(_views(geometry, "pixels")))


def _rays(view: Views, bins: int, matched: bool) -> tuple[Array, Array, Array]:
    """For each pixel the first of the two rays of a view that meet it, and the weights of both."""
    first, share = _between(view, bins)
    share = share[..., None]
    if not matched:
        return first, 1 - share, share
    # hat(u / m) / m on both sides, u being `share` and `1 - share`.
    peak = view.peak
    slope = share * (peak * peak)
    return first, ops.relu(peak - slope), ops.relu(peak - peak * peak + slope)


_BESIDE = (2, 2)  # zeros on both sides of a line, for places from -2 to its end


def _between(view: Views, count: int) -> tuple[Array, Array]:
    """For all places on a line of `count`: the index of the value below in the line with zeros on
    both sides, and how far the place is above it. Beyond the line there are zeros alone.
    """
    part = view.first_part[:, None] + view.second_part[None, :]
    below = floor(part)
    whole = view.first_whole[:, None] + view.second_whole[None, :] + ops.cast(below, "int32")
    return ops.clip(whole, -_BESIDE[0], count) + _BESIDE[0], part - below


def checked_angles(angles: Any) -> tuple[float, ...]:
    """Angles as plain floats, or a ValueError."""
    values = np.asarray(angles, "float64") if np.ndim(angles) == 1 else np.zeros(0)
    if len(values) == 0 or not np.isfinite(values).all():
        raise ValueError(
            "`angles` must be a list of finite angles in radians, at least one: np.linspace(0, "
            f"np.pi, 180, endpoint=False). {received('angles', angles)}"
        )
    return tuple(float(v) for v in values)
