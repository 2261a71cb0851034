"""Arrays that stay in their file, and which way round they lie."""

import pathlib
from typing import Any

import numpy as np

from lamina_detect._common import BadInput
from lamina_detect.recordings._array import MOST_LEADS, without_missing
from lamina_detect.recordings._options import ReadOptions
from lamina_detect.recordings._pieces import in_pieces
from lamina_detect.recordings._recording import Recording


def time_first(array: np.ndarray) -> np.ndarray:
    """A matrix of one row, which is how MATLAB holds a vector, as a vector."""
    return array.reshape(-1) if array.ndim == 2 and 1 in array.shape else array


def from_dataset(
    path: pathlib.Path,
    kind: str,
    data: Any,
    options: ReadOptions,
    turned: bool,
    rate: float | None,
) -> Recording:
    """A recording of a dataset `(length,)`, `(length, leads)` or, `turned`, `(leads, length)`."""
    if data.dtype.kind not in "iuf" or data.ndim not in (1, 2) or 0 in data.shape:
        raise BadInput(
            f"{path}: must hold numbers (length, leads); it holds {data.dtype} {data.shape}"
        )
    shape = data.shape[::-1] if turned else data.shape
    if len(shape) == 2 and shape[0] == 1:
        shape, turned = shape[::-1], not turned
    notes: tuple[str, ...] = ()
    if turned and len(shape) == 2 and shape[0] < shape[1]:
        notes = (f"{shape[0]} rows of {shape[1]:,} samples each: turned",)
        shape, turned = shape[::-1], False
    leads = shape[1] if len(shape) == 2 else 1
    if leads > MOST_LEADS:
        raise BadInput(f"{path}: {leads} leads; time is the first axis")

    def read(start: int, stop: int) -> np.ndarray:
        if data.ndim == 1:
            piece = data[start:stop][:, None]
        else:
            piece = data[:, start:stop].T if turned else data[start:stop]
        piece = np.asarray(piece, "float32")
        if np.isinf(piece).any():
            row = start + int(np.argwhere(np.isinf(piece))[0][0])
            raise BadInput(
                f"{path}: infinite at sample {row}; write NaN where there is no measurement"
            )
        return piece

    names = [f"lead{i}" for i in range(leads)]
    rate = options.rate or rate
    recording = in_pieces(path, kind, read, shape[0], rate, names, [""] * leads, notes=notes)
    return without_missing(path, recording, options)
