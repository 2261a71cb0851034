"""The state of a stream as NumPy arrays that can be kept and checked."""

from collections.abc import Mapping

import numpy as np

from lamina._common import Array, State, received, to_numpy

# Of the saved state and of the note in an exported step: raised when either changes its meaning.
FORMAT = 1


def chosen_rows(rows: Array | None, batch: int) -> np.ndarray:
    """`rows` as one bool for each row."""
    if rows is None:
        return np.ones(batch, bool)
    rows = np.asarray(rows)
    if rows.dtype == bool and rows.shape == (batch,):
        return rows
    integers = np.issubdtype(rows.dtype, np.integer) or rows.size == 0
    if (
        not integers
        or rows.ndim > 1
        or (rows.size and not (0 <= rows.min() and rows.max() < batch))
    ):
        raise ValueError(
            f"`rows` must be row numbers from 0 to {batch - 1}, or {batch} bools. "
            f"{received('rows', rows.tolist())}"
        )
    chosen = np.zeros(batch, bool)
    chosen[rows.astype(int)] = True
    return chosen


def saved(state: State, first: Mapping[str, int], fingerprint: str) -> dict[str, np.ndarray]:
    """The flat dict of arrays: every value can be kept by `np.savez` without pickling."""
    arrays = {key: _plain(to_numpy(value)) for key, value in state.items()}
    arrays |= {f"{key}/first": np.asarray(value, "int64") for key, value in first.items()}
    return {"format": np.asarray(FORMAT), "fingerprint": np.asarray(fingerprint), **arrays}


def _plain(x: np.ndarray) -> np.ndarray:
    # bfloat16 is not NumPy's own: float32 holds it exactly.
    return np.array(x.astype("float32") if x.dtype.kind == "V" or x.dtype.name == "bfloat16" else x)


def check(state: Mapping[str, Array], own: Mapping[str, np.ndarray]) -> None:
    """Refuse a `state` that is not of this stream's model, format and batch size."""
    for name, what in (("format", "version of lamina"), ("fingerprint", "model")):
        if name not in state or str(np.asarray(state[name])) != str(own[name]):
            got = np.asarray(state[name]).item() if name in state else None
            raise ValueError(
                f"`state` is of another {what}: its {name} must be {own[name].item()!r}. "
                f"{received(name, got)}"
            )
    if set(state) != set(own):
        odd = sorted(set(state) ^ set(own))
        raise ValueError(f"`state` must have the stream's own names. These differ: {odd}")
    for key, mine in own.items():
        if np.shape(state[key]) != mine.shape:
            raise ValueError(
                f"`state` is of another batch size: {key} must have the shape {mine.shape}. "
                f"{received('shape', np.shape(state[key]))}"
            )
