"""Which columns are signals, which one has labels, and why the others are left out."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from lamina_detect._common import BadInput
from lamina_detect.recordings._table import _names
from lamina_detect.recordings._table._epochs import epochs_of
from lamina_detect.recordings._table._types import Numbers, Table

# More is a table that lies on its side.
MOST_LEADS = 1000
# A flag has few values.
FEW = 16
# Rows that show that a column counts them.
ROWS = 10
TRUE, FALSE = (
    {"true", "yes", "anomaly", "anomalous", "abnormal", "attack", "fault", "1"},
    {
        "false",
        "no",
        "normal",
        "ok",
        "none",
        "",
        "0",
        "nan",
    },
)


def signals_of(
    table: Table, columns: Sequence[str] | None, taken: Collection[str]
) -> tuple[str, ...]:
    """The columns that hold signals; notes say what was left out."""
    if columns:
        return _chosen(table, columns)
    reasons = {n: _reason(table, n, c) for n, c in table.columns.items() if n not in taken}
    found = [name for name, reason in reasons.items() if reason is None]
    # What counts, flags or is empty is all the same the signal where there is no other.
    for weak in ("counts the rows", "empty"):
        found = found or [name for name, reason in reasons.items() if reason == weak]
    if not found:
        why = "; ".join(f"{name}: {reason}" for name, reason in list(reasons.items())[:5])
        raise BadInput(f"{table.path}: no column of numbers" + (f" ({why})" if why else ""))
    if len(found) > MOST_LEADS:
        raise BadInput(
            f"{table.path}: {len(found):,} columns of numbers; choose some with --columns"
        )
    left = {name: reason for name, reason in reasons.items() if name not in found and reason}
    table.notes += [f"{name}: left out, {reason}" for name, reason in left.items()]
    return tuple(found)


def _chosen(table: Table, columns: Sequence[str]) -> tuple[str, ...]:
    names = []
    for name in columns:
        several = [part.strip() for part in name.split(",")]
        names += [name] if name in table.columns or len(several) == 1 else several
    for name in names:
        if name not in table.columns:
            known = ", ".join(list(map(str, table.columns))[:20])
            raise BadInput(f"{table.path}: no column {name!r}; it has {known}")
        if not isinstance(table.columns[name], Numbers):
            raise BadInput(f"{table.path}: column {name!r} holds text or dates, not numbers")
    return tuple(names)


def _reason(table: Table, name: str, column: Any) -> str | None:
    """Why a column is no signal; None if it is one."""
    if not isinstance(column, Numbers):
        return "text" if not hasattr(column, "tz") else "other dates"
    if column.problem or column.row is not None:
        return None  # reported when it is read
    values = column.values[np.isfinite(column.values)]
    if table.named and _names.is_label(name):
        return "a label"
    if not len(values):
        return None if np.isinf(column.values).any() else "empty"
    if _counts(name if table.named else "", values, len(column.values)):
        return "counts the rows"
    if not table.named:
        return None
    few = len(np.unique(values[:10_000])) <= FEW and bool((values % 1 == 0).all())
    if _names.is_flag(name) and few:
        return "a flag"
    if "_time" in table.columns and name in _names.INFLUX:
        return "written by InfluxDB"
    if _names.mentions_time(name) and epochs_of(name, values, stated=False):
        return "other times"
    return None


def _counts(name: str, values: np.ndarray, rows: int) -> bool:
    """Row numbers: by name, or one more in each row from 0 or 1 on."""
    if _names.is_counter(name):
        return bool((values % 1 == 0).all())
    return (
        rows >= ROWS
        and len(values) == rows
        and values[0] in (0, 1)
        and bool((np.diff(values) == 1).all())
    )


def label_of(table: Table, columns: Sequence[str] | None) -> str | None:
    """The column that marks anomalies; None where there is none, or it is chosen as a signal."""
    chosen = set(columns or ())
    if not table.named:
        # In a file without names, a last column of zeros and ones marks anomalies: UCR's does.
        last = list(table.columns)[-1]
        column = table.columns[last]
        is_label = (
            len(table.columns) > 1
            and last not in chosen
            and isinstance(column, Numbers)
            and set(np.unique(column.values[:1000])) <= {0.0, 1.0}
            and set(np.unique(column.values)) <= {0.0, 1.0}
        )
        return last if is_label else None
    known = {_names.plain(name): name for name in table.columns if name not in chosen}
    usable = (known[label] for label in _names.LABELS if label in known)
    return next((n for n in usable if labels_from(table.columns[n]) is not None), None)


def labels_from(column: Any) -> np.ndarray | None:
    """True where a column marks an anomaly; None if it is not of that kind."""
    if isinstance(column, Numbers):
        if column.problem or column.row is not None:
            return None
        return np.nan_to_num(column.values) != 0
    if hasattr(column, "tz"):
        return None
    words = np.array([str(word or "").strip().casefold() for word in column.to_pylist()])
    known = set(words.tolist())
    return np.isin(words, sorted(TRUE)) if known <= TRUE | FALSE else None
