"""HDF5 files."""

import pathlib
from typing import Any

from lamina_detect.recordings._array import RATES, rate_among, the_member
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
    rate = guarded(path, KIND, lambda: _rate(data, file))
    return from_dataset(path, KIND, data, options, turned, rate)


def _shapes(file: Any) -> dict[str, tuple[int, ...]]:
    import h5py

    shapes: dict[str, tuple[int, ...]] = {}

    def visit(name: str, item: Any) -> bool | None:
        if isinstance(item, h5py.Dataset) and not name.startswith("#refs#"):
            shapes[name] = item.shape if item.dtype.kind in "iuf" and item.shape else ()
        return True if len(shapes) > MOST_MEMBERS else None

    file.visititems(visit)
    return shapes


def _rate(data: Any, file: Any) -> float | None:
    """Samples per second: an attribute of the dataset, its group or the file, or a number beside
    it."""
    import h5py

    for owner in (data, data.parent, file):
        if rate := rate_among(dict(owner.attrs)):
            return rate
    for group in (data.parent, file):
        numbers = {n: v for n, v in group.items() if isinstance(v, h5py.Dataset) and v.size == 1}
        rate = rate_among({n: v[()] for n, v in numbers.items() if n.casefold() in RATES})
        if rate:
            return rate
    return None
