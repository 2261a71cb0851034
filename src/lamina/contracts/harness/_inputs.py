"""Variations of a sample of inputs, within the range that it shows."""

import base64
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from lamina._common import Tree
from lamina.contracts._traits import Traits


def map_leaves(function: Callable[[Any], Any], inputs: Tree) -> Tree:
    """`function(array)` on each array of the inputs."""
    return keras.tree.map_structure(function, inputs)


def is_float(x: np.ndarray) -> bool:
    """Is it floating, bfloat16 too? NumPy counts that as a dtype of its own."""
    return x.dtype.kind == "f" or x.dtype.name == "bfloat16"


def batch_size(inputs: Tree) -> int:
    """Rows of the first array that has any."""
    return next((x.shape[0] for x in keras.tree.flatten(inputs) if x.ndim), 1)


def rows(inputs: Tree, indices: Sequence[int]) -> Tree:
    """The named rows, in this order; indices wrap around."""
    count = batch_size(inputs)

    def pick(x: np.ndarray) -> np.ndarray:
        if x.ndim == 0 or x.shape[0] != count:
            return x
        return x[np.asarray(indices, "int64") % count].copy()

    return map_leaves(pick, inputs)


def varied(x: np.ndarray, rng: np.random.Generator, traits: Traits) -> np.ndarray:
    """An array of other numbers from the same range: shuffled down its columns, or drawn."""
    if x.dtype.kind not in "fiub" and not is_float(x):
        return x[rng.permutation(len(x))] if x.ndim else x
    if x.ndim == 0 or x.size == 0:
        return x
    if x.dtype.kind == "b":
        return rng.permuted(x, axis=0)
    if x.dtype.kind in "iu":
        if traits.int_range:
            return rng.integers(*traits.int_range, size=x.shape).astype(x.dtype)
        return rng.permuted(x, axis=0)
    low, high = float(x.min()), float(x.max())
    if low == high:
        low, high = low * 0.5, low * 1.5 or 0.5
    drawn = rng.uniform(min(low, high), max(low, high), x.shape)
    # Half of them drawn, half shuffled: other values, and the sample's own in other rows.
    mixed = np.where(rng.random(x.shape) < 0.5, drawn, rng.permuted(x.astype("float64"), axis=0))
    return mixed.astype(x.dtype)


def vary(inputs: Tree, rng: np.random.Generator, traits: Traits) -> Tree:
    """Every array replaced by other numbers from its own range."""
    return map_leaves(lambda x: varied(x, rng, traits), inputs)


def other_rows_varied(inputs: Tree, keep: int, rng: np.random.Generator, traits: Traits) -> Tree:
    """Row `keep` as it was, every other row replaced."""
    count = batch_size(inputs)

    def change(x: np.ndarray) -> np.ndarray:
        if x.ndim == 0 or x.shape[0] != count:
            return x
        out = varied(x, rng, traits)
        out[keep] = x[keep]
        return out

    return map_leaves(change, inputs)


def points(inputs: Tree, traits: Traits) -> Iterator[tuple[str, Tree]]:
    """(name, inputs) at which values must be finite: the sample, zeros, a constant."""
    yield "the sample", inputs
    low, high = domain(traits)

    def constant(choose: Callable[[np.ndarray], Any]) -> Tree:
        def fill(x: np.ndarray) -> np.ndarray:
            if not is_float(x):
                return np.full_like(x, x.min()) if x.dtype.kind in "iu" and x.size else x
            return np.full_like(x, choose(x))

        return map_leaves(fill, inputs)

    if isinstance(traits.domain, str):
        return
    if low <= 0 <= high and not (traits.domain and low == 0):
        yield "zeros", constant(lambda x: 0)
    yield "a constant", constant(lambda x: np.clip(x.max() if x.size else 1, low, high))


def domain(traits: Traits) -> tuple[float, float]:
    """(low, high) of the declared domain, infinite where open."""
    declared = traits.domain
    if isinstance(declared, tuple | list) and len(declared) == 2:
        low, high = declared
        return (-np.inf if low is None else low), (np.inf if high is None else high)
    return -np.inf, np.inf


def with_length(inputs: Tree, axes: Sequence[int], length: int) -> Tree:
    """`axes` of every array that has them, repeated or cut to `length`."""

    def change(x: np.ndarray) -> np.ndarray:
        for axis in axes:
            if axis < x.ndim:
                x = np.take(x, np.arange(length) % x.shape[axis], axis=axis)
        return x

    return map_leaves(change, inputs)


def jittered(inputs: Tree, rng: np.random.Generator, traits: Traits) -> Tree:
    """Floats moved off ties and kinks by a little, inside the domain."""
    low, high = domain(traits)

    def move(x: np.ndarray) -> np.ndarray:
        if not is_float(x):
            return x
        # A tenth of the spread leaves a kink without leaving the range of the sample.
        spread = float(x.std()) or abs(float(x.mean())) or 1.0
        inside = rng.random(x.shape) * 0.1 * spread
        inside = np.where(x + inside < min(high, max(float(x.max()), low)), inside, -inside)
        return (x + inside).astype("float64")

    return map_leaves(move, inputs)


def packed(inputs: Tree) -> Tree:
    """A sample as plain data, for JSON: each array as its dtype, shape and bytes in base 85."""

    def pack(x: np.ndarray) -> dict[str, Any]:
        if x.dtype.kind in "OSU":
            return {"dtype": "str", "shape": list(x.shape), "values": x.ravel().tolist()}
        data = base64.b85encode(np.ascontiguousarray(x).tobytes()).decode()
        return {"dtype": x.dtype.name, "shape": list(x.shape), "data": data}

    return map_leaves(pack, inputs)


def unpacked(sample: Tree) -> Tree:
    """The arrays of `packed`."""
    if isinstance(sample, list | tuple):
        return [unpacked(s) for s in sample]
    if "shape" not in sample:
        return {k: unpacked(v) for k, v in sample.items()}
    if "values" in sample:
        return np.array(sample["values"]).reshape(sample["shape"])
    data = np.frombuffer(base64.b85decode(sample["data"]), np.dtype(sample["dtype"]))
    return data.reshape(sample["shape"])


def describe(inputs: Tree) -> str:
    """Shapes and dtypes in words: `float32(3, 5, 4)`."""
    described = map_leaves(lambda x: f"{x.dtype.name}{tuple(x.shape)}", inputs)
    return str(described).replace("'", "")
