"""MATLAB files."""

import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from lamina_detect.recordings._array import RATES, from_samples, rate_among, the_member
from lamina_detect.recordings._array_file import time_first
from lamina_detect.recordings._hdf5 import read_hdf5
from lamina_detect.recordings._options import ReadOptions
from lamina_detect.recordings._pieces import guarded
from lamina_detect.recordings._recording import Recording

KIND = "a MATLAB file"
HDF5 = b"\x89HDF\r\n\x1a\n"
# Where HDF5 begins in a MATLAB file of version 7.3.
HEADER = 512


def read_mat(path: pathlib.Path, options: ReadOptions) -> Recording:
    """The matrix of a MATLAB file, or the one that `FILE:NAME` names; version 7.3 in pieces."""
    if _is_hdf5(path):
        return read_hdf5(path, options, turned=True)
    import scipy.io

    listed = guarded(path, KIND, lambda: scipy.io.whosmat(path))
    numeric = {"double", "single", *(f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64))}
    shapes = {
        name: tuple(n for n in shape if n > 1) if kind in numeric else ()
        for name, shape, kind in listed
    }
    structures = [name for name, _, kind in listed if kind == "struct"]
    inside = guarded(path, KIND, lambda: _inside(path, structures))
    shapes |= {n: tuple(k for k in v.shape if k > 1) for n, v in inside.items()}
    name = the_member(path, shapes, options)
    beside = [other for other in shapes if other.casefold() in RATES]
    found: Any = guarded(path, KIND, lambda: scipy.io.loadmat(path, variable_names=[name, *beside]))
    found |= inside
    array: Any = time_first(np.asarray(found[name])) if name in found else np.zeros(())
    notes: tuple[str, ...] = ()
    if array.ndim == 2 and array.shape[0] < array.shape[1]:
        notes = (f"{name}: {array.shape[0]} rows of {array.shape[1]:,} samples each: turned",)
        array = array.T
    group = name.rpartition("/")[0]
    numbers = {other.rpartition("/")[2]: v for other, v in inside.items() if _is_in(other, group)}
    rate = rate_among(numbers) or rate_among({o: found[o] for o in beside if o in found})
    return from_samples(path, array, path.stem, options, rate=rate, notes=notes)


def _inside(path: pathlib.Path, structures: Sequence[str]) -> dict[str, np.ndarray]:
    """The arrays of numbers in structures: `record/ecg`."""
    import scipy.io

    if not structures:
        return {}
    loaded: Any = scipy.io.loadmat(path, variable_names=list(structures), simplify_cells=True)
    return dict(part for name in structures for part in _parts(name, loaded.get(name)))


def _parts(name: str, value: Any) -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(value, dict):
        for field, inner in value.items():
            yield from _parts(f"{name}/{field}", inner)
    elif np.asarray(value).dtype.kind in "iuf":
        yield name, np.asarray(value)


def _is_in(name: str, group: str) -> bool:
    return bool(group) and name.rpartition("/")[0] == group


def _is_hdf5(path: pathlib.Path) -> bool:
    def start() -> bytes:
        with path.open("rb") as file:
            return file.read(HEADER + len(HDF5))

    data = guarded(path, KIND, start)
    return data.startswith(HDF5) or data[HEADER:] == HDF5
