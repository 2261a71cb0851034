"""From a table of named columns to a recording: which are signals, times and labels."""

import pathlib
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from lamina_detect._common import BadInput
from lamina_detect.recordings._recording import Recording

# Pandas': what indexing a table gives has no one type.
Table = Column = Any

TIME = {"time", "timestamp", "date", "datetime", "index", "t"}
LABEL = {"label", "is_anomaly", "anomaly"}


def from_table(
    path: pathlib.Path,
    table: Table,
    columns: Sequence[str] | None,
    rate: float | None,
    named: bool = True,
) -> Recording:
    """The recording in a table; `named` is False where the names were made up."""
    label, times = _label(table, named), _times_of(table)
    taken = {name for name in (label, None if times is None else times.name) if name is not None}
    chosen = _signals(path, table, columns, taken)
    values = [_numbers(path, table[name]) for name in chosen]
    return Recording.from_array(
        np.stack(values, 1),
        rate=rate or _rate(times),
        leads=chosen,
        name=path.stem,
        times=None if times is None else times.to_numpy(),
        labels=None if label is None else table[label].fillna(0).to_numpy() != 0,
    )


def _label(table: Table, named: bool) -> str | None:
    # In a file without names, a last column of zeros and ones marks anomalies: UCR's and TSB's do.
    if not named and table.shape[1] > 1 and set(table.iloc[:, -1].unique()) <= {0, 1}:
        return table.columns[-1]
    return next((c for c in table.columns if c.lower() in LABEL), None)


def _times_of(table: Table) -> Column | None:
    """The time column, as numbers or dates; None where there is none that can be read."""
    import pandas as pd

    name = next((c for c in table.columns if c.lower() in TIME), None)
    if name is None or pd.api.types.is_numeric_dtype(table[name]):
        return None if name is None else table[name]
    try:
        return pd.to_datetime(table[name])
    except (ValueError, TypeError, OverflowError):
        return None


def _rate(times: Column | None) -> float | None:
    """Samples per second, by the median step of the times; None where they give none."""
    if times is None or len(times) < 2:
        return None
    steps = np.diff(times.to_numpy())
    if np.issubdtype(steps.dtype, np.timedelta64):
        steps = steps / np.timedelta64(1, "s")
    step = float(np.median(steps))
    # Whole numbers one apart count samples and give no rate.
    return 1 / step if step > 0 and step != 1 else None


def _signals(
    path: pathlib.Path,
    table: Table,
    columns: Sequence[str] | None,
    taken: Collection[str],
) -> tuple[str, ...]:
    if columns:
        for name in columns:
            if name not in table.columns:
                known = ", ".join(map(str, table.columns[:20]))
                raise BadInput(f"{path}: no column {name!r}; it has {known}")
        return tuple(columns)
    found = [
        c for c in table.columns if c not in taken and c.lower() not in TIME and _numeric(table[c])
    ]
    if not found:
        raise BadInput(f"{path}: no column of numbers")
    return tuple(found)


def _numeric(column: Column) -> bool:
    import pandas as pd

    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _numbers(path: pathlib.Path, column: Column) -> np.ndarray:
    import pandas as pd

    numbers: Any = pd.to_numeric(column, errors="coerce")
    bad = numbers.isna() & column.notna()
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise BadInput(
            f"{path}: column {column.name!r} has {column.iloc[row]!r} at sample {row}: not a number"
        )
    values = numbers.to_numpy("float64")
    if np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0])
        raise BadInput(
            f"{path}: column {column.name!r} is infinite at sample {row}; leave the cell empty "
            "where there is no measurement"
        )
    return values
