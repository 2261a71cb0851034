"""Learning the shapes: principal directions of the windows, and a codebook of their coordinates.

NumPy: this runs once, on a sample of windows. What it learns becomes the weights of the model.
"""

import dataclasses
from typing import Protocol

import numpy as np

# A shape's widths are means over its windows: with fewer they are hardly known.
MIN_WINDOWS_PER_SHAPE = 10
# Lloyd's algorithm gains little after some passes; it stops earlier where nothing moves.
PASSES = 25
# Directions and centres are learned on at most so many windows: more change them little, and time
# grows with them.
DIRECTIONS_FROM, CODEBOOK_FROM = 20_000, 30_000
# What came once may be the anomaly; twice, a window apart, is usual.
LEAST_VISITS = 2
# Rows that are compared with the centres together: 50 MB at 200 centres.
BLOCK = 65_536
# Values of windows that are held at once, 128 MB. A product of fewer rows rounds some of them
# differently: up to windows of 335 samples all are one.
HELD = 1 << 25


class Windows(Protocol):
    """Windows `(count, window)`: an array, or what cuts those that are asked for."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray: ...


@dataclasses.dataclass(frozen=True)
class Shapes:
    """The codebook of one lead.

    `directions` `(window, components)`, without mean; `centres`
    `(shapes, components)`; `share` of the windows that each shape stands for; `width` and `rest`:
    mean squared distance of its windows to it, within the components and outside of them.
    """

    directions: np.ndarray
    centres: np.ndarray
    share: np.ndarray
    width: np.ndarray
    rest: np.ndarray

    def pictures(self) -> np.ndarray:
        """The shapes as windows `(shapes, window)`."""
        basis = np.linalg.pinv(self.directions.astype("float64"))
        return (self.centres @ basis).astype("float32")


def learn_shapes(
    windows: Windows,
    components: int,
    shapes: int,
    rng: np.random.Generator,
    at: np.ndarray | None = None,
) -> Shapes:
    """The codebook of `windows` `(count, window)`, of each less its mean.

    With `at`, the places where the windows end, a shape counts by its visits, and only from two on:
    what came once may be the anomaly itself.
    """
    some = _level(windows, rng.permutation(len(windows))[:DIRECTIONS_FROM])
    directions = principal_directions(some, components)
    del some
    z, rest = _coordinates(windows, directions)
    count = max(1, min(shapes, len(z) // MIN_WINDOWS_PER_SHAPE))
    centres = kmeans(z[rng.permutation(len(z))[:CODEBOOK_FROM]], count, rng)
    nearest, distance = assign(z, centres)
    members = np.bincount(nearest, minlength=count)
    kept, came = members > 0, members
    if at is not None:
        came = visits(nearest, at, count, windows.shape[1])
        kept = visited(came, members)

    def width(x: np.ndarray) -> np.ndarray:
        return np.maximum(np.bincount(nearest, x, count)[kept] / members[kept], _floor(x))

    return Shapes(
        directions,
        centres[kept],
        share=(came[kept] / came[kept].sum()).astype("float32"),
        width=width(distance).astype("float32"),
        rest=width(rest).astype("float32"),
    )


def _level(windows: Windows, rows: np.ndarray) -> np.ndarray:
    """Those windows, each less its mean."""
    cut = windows[rows]
    cut -= cut.mean(1, keepdims=True)
    return cut


def _coordinates(windows: Windows, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each window along the directions, and the square of what is left."""
    z, rest = [], []
    block = max(1, HELD // windows.shape[1])
    for start in range(0, len(windows), block):
        cut = _level(windows, np.arange(start, min(start + block, len(windows))))
        z.append(cut @ directions)
        rest.append(np.square(cut, out=cut).sum(1) - (z[-1] ** 2).sum(1))
    return np.concatenate(z), np.maximum(np.concatenate(rest), 0)


def _floor(x: np.ndarray) -> float:
    """The least width: else a shape of a few windows that lie close together fits nothing else.

    Half of the median (docs/detection.md); the mean's millionth where more than half are exactly 0.
    """
    return max(float(np.median(x)) / 2, float(np.mean(x)) * 1e-6, 1e-12)


def principal_directions(windows: np.ndarray, components: int, level: bool = False) -> np.ndarray:
    """The orthonormal directions of largest variance, each of mean 0 unless the level counts."""
    centred = windows - windows.mean(0)
    _, vectors = np.linalg.eigh((centred.T @ centred).astype("float64"))
    vectors = vectors[:, ::-1][:, :components]
    # The sign is free: the same choice on every machine.
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(0), np.arange(vectors.shape[1])])
    return (vectors if level else vectors - vectors.mean(0)).astype("float32")


def visits(nearest: np.ndarray, at: np.ndarray, count: int, window: int) -> np.ndarray:
    """How often each shape was come to again, at least a window after it was left."""
    order = np.lexsort((at, nearest))
    shape, place = nearest[order], at[order]
    again = np.diff(place, prepend=place[:1]) > window
    again |= np.diff(shape, prepend=-1) != 0
    return np.bincount(shape[again], minlength=count)


def visited(came: np.ndarray, members: np.ndarray, least: int = LEAST_VISITS) -> np.ndarray:
    """The shapes that came at least so often; all, where none did."""
    kept = (members > 0) & (came >= least)
    return kept if kept.any() else members > 0


def kmeans(z: np.ndarray, count: int, rng: np.random.Generator, passes: int = PASSES) -> np.ndarray:
    """Lloyd's algorithm from a k-means++ start."""
    centres = _spread_start(z, count, rng)
    for _ in range(passes):
        nearest, _ = assign(z, centres)
        members = np.bincount(nearest, minlength=count)[:, None]
        sums = np.stack([np.bincount(nearest, column, count) for column in z.T], 1)
        moved = np.where(members > 0, sums / np.maximum(members, 1), centres).astype("float32")
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres


def _spread_start(z: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """k-means++: each next centre is drawn by its squared distance to those there are."""
    centres = np.empty((count, z.shape[1]), "float32")
    centres[0] = z[rng.integers(len(z))]
    nearest = ((z - centres[0]) ** 2).sum(1)
    for k in range(1, count):
        total = np.cumsum(nearest, dtype="float64")
        pick = min(np.searchsorted(total, rng.random() * total[-1]), len(z) - 1)
        centres[k] = z[pick]
        np.minimum(nearest, ((z - centres[k]) ** 2).sum(1), out=nearest)
    return centres


def assign(z: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest centre of each row and the squared distance to it."""
    nearest, distance = np.empty(len(z), "int64"), np.empty(len(z), "float32")
    half = (centres**2).sum(1) / 2
    for i in range(0, len(z), BLOCK):
        piece = z[i : i + BLOCK]
        closeness = piece @ centres.T
        closeness -= half
        nearest[i : i + BLOCK] = closeness.argmax(1)
        distance[i : i + BLOCK] = (piece**2).sum(1) - 2 * closeness.max(1)
    return nearest, np.maximum(distance, 0)
