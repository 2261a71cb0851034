"""NumPy arrays, alone and in archives."""

import pathlib
from typing import Any

import numpy as np

from lamina_detect._common import BadInput, first_line
from lamina_detect.recordings._array import RATES, from_samples, rate_among, the_member
from lamina_detect.recordings._options import ReadOptions
from lamina_detect.recordings._recording import Recording


def read_npy(path: pathlib.Path, options: ReadOptions) -> Recording:
    """The recording in a `.npy` file, `(length,)` or `(length, leads)`; read as it is needed."""
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {first_line(error)}") from None
    except Exception as error:  # NumPy parses the header as Python: any of many kinds
        raise BadInput(f"{path}: not a NumPy array: {first_line(error)}") from None
    return from_samples(path, array, path.stem, options)


def read_npz(path: pathlib.Path, options: ReadOptions) -> Recording:
    """The array in a `.npz` file, or the one that `FILE:KEY` names."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            name = the_member(path, {k: _shape(archive, k) for k in archive.files}, options)
            array = archive[name]
            rate = rate_among(
                {k: archive[k] for k in archive.files if k.casefold() in RATES and k != name}
            )
    except BadInput:
        raise
    except Exception as error:  # damaged archives and headers fail in many ways
        raise BadInput(f"{path}: not a NumPy archive: {first_line(error)}") from None
    return from_samples(path, array, path.stem, options, rate=rate)


def _shape(archive: Any, key: str) -> tuple[int, ...]:
    """The shape of an array that could be a recording; () of any other."""
    with archive.zip.open(f"{key}.npy") as file:
        version = np.lib.format.read_magic(file)
        reader = {(1, 0): np.lib.format.read_array_header_1_0}.get(
            version, np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = reader(file)
    return shape if dtype.kind in "iuf" else ()
