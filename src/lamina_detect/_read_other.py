"""Parquet tables and NumPy arrays."""

import math

import numpy as np

from lamina_detect._errors import BadInput
from lamina_detect._read_csv import from_table
from lamina_detect._recording import Recording

PIECE = 1 << 20


def read_parquet(path, columns=None, rate=None):
    """The recording in a Parquet file; see `read`."""
    import pandas as pd

    try:
        table = pd.read_parquet(path)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {_first_line(error)}") from None
    except Exception as error:  # damaged metadata fail in many ways
        raise BadInput(f"{path}: not a Parquet file: {_first_line(error)}") from None
    table.columns = [str(name).strip() for name in table.columns]
    return from_table(path, table, columns, rate)


def read_npy(path, rate=None):
    """The recording in a `.npy` file, `(length,)` or `(length, leads)`; read as it is needed."""
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {_first_line(error)}") from None
    except Exception as error:  # NumPy parses the header as Python: any of many kinds
        raise BadInput(f"{path}: not a NumPy array: {_first_line(error)}") from None
    if array.dtype.kind not in "iuf" or array.ndim not in (1, 2) or 0 in array.shape:
        raise BadInput(
            f"{path}: must hold numbers (length,) or (length, leads); it holds {array.dtype} "
            f"{array.shape}"
        )
    if math.prod(array.shape[1:]) > 1000:
        raise BadInput(f"{path}: {array.shape[1]} leads; time is the first axis")
    _check_finite(path, array)
    return Recording.from_array(array, rate=rate, name=path.stem)


def _check_finite(path, array):
    if array.dtype.kind != "f":
        return
    for start in range(0, len(array), PIECE):
        infinite = np.isinf(array[start : start + PIECE])
        if infinite.any():
            row = start + int(np.argwhere(infinite)[0][0])
            raise BadInput(
                f"{path}: infinite at sample {row}; write NaN where there is no measurement"
            )


def _first_line(error):
    return (str(error) or type(error).__name__).splitlines()[0]
