"""NumPy arrays."""

import math
import pathlib
from collections.abc import Sequence

import numpy as np

from lamina_detect._common import BadInput, first_line
from lamina_detect.recordings._recording import Recording

# Samples that are looked at together: memory does not grow with the file.
PIECE = 1 << 20
# More is an array whose time is not the first axis.
MOST_LEADS = 1000


def read_npy(path: pathlib.Path, columns: Sequence[str] | None, rate: float | None) -> Recording:
    """The recording in a `.npy` file, `(length,)` or `(length, leads)`; read as it is needed."""
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {first_line(error)}") from None
    except Exception as error:  # NumPy parses the header as Python: any of many kinds
        raise BadInput(f"{path}: not a NumPy array: {first_line(error)}") from None
    if array.dtype.kind not in "iuf" or array.ndim not in (1, 2) or 0 in array.shape:
        raise BadInput(
            f"{path}: must hold numbers (length,) or (length, leads); it holds {array.dtype} "
            f"{array.shape}"
        )
    if math.prod(array.shape[1:]) > MOST_LEADS:
        raise BadInput(f"{path}: {array.shape[1]} leads; time is the first axis")
    _check_finite(path, array)
    return Recording.from_array(array, rate=rate, name=path.stem)


def _check_finite(path: pathlib.Path, array: np.ndarray) -> None:
    if array.dtype.kind != "f":
        return
    for start in range(0, len(array), PIECE):
        infinite = np.isinf(array[start : start + PIECE])
        if infinite.any():
            row = start + int(np.argwhere(infinite)[0][0])
            raise BadInput(
                f"{path}: infinite at sample {row}; write NaN where there is no measurement"
            )
