"""What comes into an edge stream, checked."""

from typing import Any

import numpy as np


def received(name: str, value: object) -> str:
    """The closing sentence of an error about an argument."""
    return f"Received: {name}={value!r}"


def flat(structure: Any, x: Any) -> list[Any]:
    """The arrays of `x`, in the order of the numbers in `structure`."""
    if isinstance(structure, dict):
        if not isinstance(x, dict) or x.keys() != structure.keys():
            got = sorted(x) if isinstance(x, dict) else type(x).__name__
            raise ValueError(f"`x` must be a dict of {sorted(structure)}. {received('x', got)}")
        found = [v for key, inner in structure.items() for v in _numbered(inner, x[key])]
    elif isinstance(structure, list):
        if len(structure) == 1 and not isinstance(x, list | tuple):
            x = [x]
        if not isinstance(x, list | tuple) or len(x) != len(structure):
            raise ValueError(
                f"`x` must be a list of {len(structure)} arrays, one for each input. "
                f"{received('x', type(x).__name__)}"
            )
        found = [v for inner, y in zip(structure, x, strict=True) for v in _numbered(inner, y)]
    else:
        return [x]
    return [value for _, value in sorted(found, key=lambda pair: pair[0])]


def _numbered(structure: Any, x: Any) -> list[tuple[int, Any]]:
    """`(number, array)` pairs."""
    if isinstance(structure, dict):
        return [p for key, inner in structure.items() for p in _numbered(inner, x[key])]
    if isinstance(structure, list):
        return [p for inner, y in zip(structure, x, strict=True) for p in _numbered(inner, y)]
    return [(structure, x)]


def packed(structure: Any, arrays: list[np.ndarray]) -> Any:
    """The arrays in the model's structure."""
    if isinstance(structure, dict):
        return {key: packed(inner, arrays) for key, inner in structure.items()}
    if isinstance(structure, list):
        return [packed(inner, arrays) for inner in structure]
    return arrays[structure]


def block_of(x: Any, spec: dict[str, Any], batch: int, length: int | None) -> np.ndarray:
    """`x` as an array of the input's dtype; `length`: the samples that it must have, if known."""
    x, dtype = np.asarray(x), np.dtype(spec["dtype"])
    if x.dtype.kind not in "biuf":
        wanted = f"`x` must hold numbers of dtype {dtype}"
        raise ValueError(f"{wanted}. {received('x.dtype', str(x.dtype))}")
    if dtype.kind in "iu" and x.dtype.kind == "f":
        raise ValueError(
            f"`x` must be of whole numbers: the model's input is {dtype}. "
            f"{received('x.dtype', str(x.dtype))}"
        )
    shape = (batch, length, *spec["shape"]) if spec["timed"] else (batch, *spec["shape"])
    fits = len(shape) == x.ndim and all(a in (None, b) for a, b in zip(shape, x.shape, strict=True))
    if not fits:
        wanted = ", ".join("n" if n is None else str(n) for n in shape)
        raise ValueError(f"`x` must have the shape ({wanted}). {received('x.shape', x.shape)}")
    return x.astype(dtype, copy=False)


def marks(name: str, value: Any, batch: int, length: int) -> np.ndarray:
    """`value` as bools `(batch, length)`."""
    value = np.asarray(value)
    if value.shape != (batch, length) or value.dtype != bool:
        raise ValueError(
            f"`{name}` must be bools of the shape ({batch}, {length}): one for each sample. "
            f"{received(f'{name}.shape', value.shape)}, {name}.dtype={str(value.dtype)!r}"
        )
    return value


def chosen_rows(rows: Any, batch: int) -> np.ndarray:
    """`rows` as one bool for each row."""
    if rows is None:
        return np.ones(batch, bool)
    rows = np.asarray(rows)
    if rows.dtype == bool and rows.shape == (batch,):
        return rows
    integers = rows.dtype.kind in "iu" or rows.size == 0
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
