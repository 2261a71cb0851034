"""HDF5 files."""

import pathlib
from typing import Any

import numpy as np

from lamina_detect.recordings._array import the_member
from lamina_detect.recordings._array_file import from_dataset
from lamina_detect.recordings._options import ReadOptions
from lamina_detect.recordings._pieces import guarded
from lamina_detect.recordings._recording import Recording

KIND = "an HDF5 file"
# More members are no file of recordings, or a damaged one.
MOST_MEMBERS = 10_000


def read_hdf5(path: pathlib.Path, options: ReadOptions, turned: bool = False) -> Recording:
    """The dataset of an HDF5 file, or the one that `FILE:PATH/OF/DATASET` names, read in pieces.

    Args:
        path, options: As of every reader.
        turned: Time is the last axis, as MATLAB stores it.
    """
    import h5py

    file: Any = guarded(path, KIND, lambda: h5py.File(path, "r"))
    shapes = guarded(path, KIND, lambda: _shapes(file))
    data = file[the_member(path, shapes, options)]
    return from_dataset(path, KIND, data, options, turned, _rate(data))


def _shapes(file: Any) -> dict[str, tuple[int, ...]]:
    import h5py

    shapes: dict[str, tuple[int, ...]] = {}

    def visit(name: str, item: Any) -> bool | None:
        if isinstance(item, h5py.Dataset) and not name.startswith("#refs#"):
            shapes[name] = item.shape if item.dtype.kind in "iuf" and item.shape else ()
        return True if len(shapes) > MOST_MEMBERS else None

    file.visititems(visit)
    return shapes


def _rate(data: Any) -> float | None:
    """Samples per second, where an attribute states it."""
    for name in ("sampling_rate", "sample_rate", "sampling_frequency", "rate", "fs", "Fs"):
        try:
            rate = float(np.asarray(data.attrs[name]).reshape(-1)[0])
        except Exception:  # not there, or of another kind
            continue
        if np.isfinite(rate) and rate > 0:
            return rate
    return None
