"""What comes into a stream, checked, and cut where rows start again."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import backend, ops, tree

from lamina._common import Array, Tree, received, to_numpy
from lamina.streaming._flow import Flow


def flat_inputs(structure: Tree, x: Tree) -> list[Array]:
    """`x` as a flat list in the order of the model's inputs."""
    if isinstance(structure, dict):
        if not isinstance(x, dict) or x.keys() != structure.keys():
            got = sorted(x) if isinstance(x, dict) else type(x).__name__
            raise ValueError(f"`x` must be a dict of {sorted(structure)}. {received('x', got)}")
        return tree.flatten({key: x[key] for key in structure})
    if isinstance(structure, list | tuple) and len(structure) > 1:
        if not isinstance(x, list | tuple) or len(x) != len(structure):
            raise ValueError(
                f"`x` must be a list of {len(structure)} arrays, one for each input. "
                f"{received('x', type(x).__name__, length=len(x))}"
            )
        return list(x)
    return (
        list(x) if isinstance(x, list | tuple) and len(x) == 1 and hasattr(x[0], "shape") else [x]
    )


def as_block(sample: Array) -> Array:
    """A sample `(batch, ...)` as a block of one, `(batch, 1, ...)`."""
    return sample[:, None] if hasattr(sample, "shape") else np.asarray(sample)[:, None]


def block_of(x: Array, flow: Flow, batch: int, time: int | None) -> Array:
    """`x` as a tensor of the input's dtype; `time`: the samples that it must have, if known."""
    if not hasattr(x, "shape"):
        x = np.asarray(x)
    _check_kind(x, flow.dtype)
    wanted: list[int | None] = [batch, *flow.shape[1:]]
    if flow.timed:
        wanted[1] = time
    fits = len(x.shape) == len(wanted) and all(
        want in (None, got) for want, got in zip(wanted, x.shape, strict=True)
    )
    if not fits:
        names: list[int | str | None] = [
            "n" if axis == 1 and flow.timed and n is None else n for axis, n in enumerate(wanted)
        ]
        shape = ", ".join("any" if n is None else str(n) for n in names)
        raise ValueError(
            f"`x` must have the shape ({shape}): batch {batch}"
            + (", time" if flow.timed else "")
            + f" and features of the model. {received('x.shape', tuple(x.shape))}"
        )
    return ops.convert_to_tensor(x, dtype=flow.dtype)


def _check_kind(x: Array, dtype: str) -> None:
    given = x.dtype.name if isinstance(x, np.ndarray) else backend.standardize_dtype(x.dtype)
    if given.startswith(("str", "bytes", "object", "complex", "datetime")):
        raise ValueError(f"`x` must hold numbers of dtype {dtype}. {received('x.dtype', given)}")
    if "int" in dtype and "float" in given:
        raise ValueError(
            f"`x` must be of whole numbers: the model's input is {dtype}. "
            f"{received('x.dtype', given)}"
        )


def masks_of(mask: Tree, flows: Sequence[Flow], batch: int, length: int) -> list[np.ndarray | None]:
    """One bool tensor `(batch, n)`, or None, for each input that has a time axis."""
    if mask is None:
        return [None] * len(flows)
    several = isinstance(mask, dict | list | tuple) and len(flows) > 1
    given: list[Any] = tree.flatten(mask) if several else [mask] * len(flows)
    if len(given) != len(flows):
        raise ValueError(
            f"`mask` must be one array, or one for each of {len(flows)} inputs. "
            f"{received('length', len(given))}"
        )
    return [None if m is None else _marks("mask", m, batch, length) for m in given]


def _marks(name: str, given: Array, batch: int, length: int) -> np.ndarray:
    marks = to_numpy(given) if hasattr(given, "dtype") else np.asarray(given)
    if marks.shape != (batch, length):
        raise ValueError(
            f"`{name}` must have the shape ({batch}, {length}): one mark for each sample. "
            f"{received(f'{name}.shape', marks.shape)}"
        )
    if marks.dtype != bool:
        raise ValueError(f"`{name}` must be of bools. {received(f'{name}.dtype', marks.dtype)}")
    return marks


def segments(
    reset: Array | None, batch: int, length: int
) -> list[tuple[int, int, np.ndarray | None]]:
    """`(start, stop, rows that start again before it or None)`, in order."""
    if reset is None:
        return [(0, length, None)] if length else []
    reset = _marks("reset", reset, batch, length)
    places = [int(t) for t in np.flatnonzero(reset.any(axis=0))]
    cuts = sorted({0, *places, length})
    found = []
    for start, stop in itertools.pairwise(cuts):
        found.append((start, stop, reset[:, start] if start in places else None))
    return found


def pieces(start: int, stop: int, any_length: bool) -> list[tuple[int, int]]:
    """One piece, or pieces whose lengths are powers of two: few shapes to compile for."""
    if any_length:
        return [(start, stop)]
    found = []
    while start < stop:
        size = 1 << ((stop - start).bit_length() - 1)
        found.append((start, start + size))
        start += size
    return found
