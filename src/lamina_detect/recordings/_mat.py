"""MATLAB files."""

import pathlib
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
    name = the_member(path, shapes, options)
    wanted = [name, *(other for other in shapes if other.casefold() in RATES)]
    found: Any = guarded(path, KIND, lambda: scipy.io.loadmat(path, variable_names=wanted))
    array: Any = time_first(np.asarray(found[name])) if name in found else np.zeros(())
    notes: tuple[str, ...] = ()
    if array.ndim == 2 and array.shape[0] < array.shape[1]:
        notes = (f"{name}: {array.shape[0]} rows of {array.shape[1]:,} samples each: turned",)
        array = array.T
    rate = rate_among({other: found[other] for other in wanted[1:] if other in found})
    return from_samples(path, array, path.stem, options, rate=rate, notes=notes)


def _is_hdf5(path: pathlib.Path) -> bool:
    def start() -> bytes:
        with path.open("rb") as file:
            return file.read(HEADER + len(HDF5))

    data = guarded(path, KIND, start)
    return data.startswith(HDF5) or data[HEADER:] == HDF5
