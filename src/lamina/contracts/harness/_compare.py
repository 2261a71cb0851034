"""Comparing outputs, and saying where they differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import numpy as np

from lamina._common import Array, Tree, to_numpy

# Outputs of a layer: one array a leaf.
Arrays: TypeAlias = Sequence[np.ndarray]

# Absolute and relative tolerance of two runs of the same arithmetic in float32: hundreds of
# roundings of 1.2e-7, as of sums of other lengths.
ATOL, RTOL = 1e-5, 1e-4
# The same of arithmetic in another order, as a compiler makes it: ten times as wide.
REORDERED = (1e-4, 1e-3)


def leaves(tree: Tree) -> list[np.ndarray]:
    """Every leaf of an output, as NumPy arrays."""
    return [as_array(x) for x in keras.tree.flatten(tree) if x is not None]


def as_array(x: Array) -> np.ndarray:
    """A NumPy array; half precision as float32, which NumPy can compute with."""
    x = np.asarray(x if isinstance(x, np.ndarray | np.generic) else _dense(x))
    return x.astype("float32") if x.dtype.name in ("bfloat16", "float16") else x


def _dense(x: Array) -> Array:
    return to_numpy(x) if keras.ops.is_tensor(x) or isinstance(x, keras.Variable) else x


@dataclass
class Difference:
    """The largest difference between two outputs."""

    output: int
    where: tuple[int, ...]
    before: float
    after: float

    @property
    def size(self) -> float:
        """How far the two values are apart."""
        return abs(self.after - self.before)

    def values(self) -> dict[str, Any]:
        """For a counter-example."""
        return {
            "at": f"output{f' {self.output}' if self.output else ''} {list(self.where)}",
            "one": f"{self.before:.6g}",
            "other": f"{self.after:.6g}",
        }


def difference(
    one: Arrays, other: Arrays, atol: float = ATOL, rtol: float = RTOL
) -> Difference | None:
    """Where two lists of arrays differ most beyond the tolerance; None where they agree.

    The absolute tolerance grows with the largest value: a sum rounds as its largest term does.
    """
    worst, excess = None, 0.0
    if len(one) != len(other):
        return Difference(min(len(one), len(other)), (), float("nan"), float("nan"))
    for number, (a, b) in enumerate(zip(one, other, strict=True)):
        if a.shape != b.shape:
            return Difference(number, (), float("nan"), float("nan"))
        if a.dtype.kind not in "fciub":
            if a.tolist() != b.tolist():
                return Difference(number, (), float("nan"), float("nan"))
            continue
        a, b = (x.astype("complex128" if x.dtype.kind == "c" else "float64") for x in (a, b))
        finite = np.abs(a[np.isfinite(a)])
        allowed = atol * max(1.0, finite.max(initial=0.0)) + rtol * np.nan_to_num(np.abs(a))
        with np.errstate(all="ignore"):
            gap = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
        over = np.where(np.isnan(gap), np.inf, gap) - allowed
        if over.size and over.max() > 0 and (worst is None or over.max() > excess):
            place = np.unravel_index(int(over.argmax()), over.shape)
            excess = over.max()
            pair = (a[place], b[place])
            if a.dtype.kind == "c":
                pair = (abs(pair[0]), abs(pair[1]))
            where = tuple(int(i) for i in place)
            worst = Difference(number, where, float(pair[0]), float(pair[1]))
    return worst


def in_order(arrays: list[np.ndarray], axes: Sequence[int]) -> list[np.ndarray]:
    """Sorted along `axes`, so that outputs whose order is left open there compare as equal."""
    for axis in axes:
        arrays = [np.sort(a, axis=axis) if axis < a.ndim else a for a in arrays]
    return arrays


def same_shapes(one: Arrays, other: Arrays) -> bool:
    """As many outputs, of the same shapes."""
    return [a.shape for a in one] == [b.shape for b in other]


def shapes(tree: Tree) -> str:
    """The shapes of a tree, in words."""
    return str(keras.tree.map_structure(lambda x: tuple(x.shape), tree))


def not_finite(arrays: Arrays) -> tuple[int, tuple[int, ...], Any] | None:
    """(output number, index, value) of the first value that is NaN or infinite."""
    for number, a in enumerate(arrays):
        if a.dtype.kind in "fc" and not np.isfinite(a).all():
            place = tuple(int(i) for i in np.argwhere(~np.isfinite(a))[0])
            return number, place, a[place]
    return None
