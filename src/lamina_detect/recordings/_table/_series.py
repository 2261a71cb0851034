"""Long tables: a row for each series and time, turned into a column for each series."""

from typing import Any

import numpy as np

from lamina_detect._common import BadInput
from lamina_detect.recordings._table._columns import MOST_LEADS, signals_of
from lamina_detect.recordings._table._time_axis import Axis, rows_without_time
from lamina_detect.recordings._table._types import Numbers, Table


def spread_series(table: Table, by: str, axis: Axis | None, columns: Any) -> tuple[Table, Axis]:
    """The table with a column for each series, and its times."""
    if by not in table.columns:
        known = ", ".join(list(table.columns)[:20])
        raise BadInput(f"{table.path}: no column {by!r} to tell the series apart; it has {known}")
    if axis is None:
        raise BadInput(f"{table.path}: --by needs times, and no column holds any; name one: --time")
    codes, names = _series(table.columns[by])
    signals = signals_of(table, columns, {*axis.names, by})
    if len(names) * len(signals) > MOST_LEADS:
        raise BadInput(
            f"{table.path}: {len(names):,} series in column {by!r}; is it the right one?"
        )
    there = ~rows_without_time(axis) & (codes >= 0)
    times, rows = _distinct(axis.times, there)
    result: dict[str, Any] = {}
    for number, series in enumerate(names):
        own = codes[there] == number
        for signal in signals:
            column = table.columns[signal]
            values = np.full(len(times), np.nan)
            # The first of repeated rows: written last.
            values[rows[own][::-1]] = column.values[there][own][::-1]
            name = series if len(signals) == 1 else f"{series}.{signal}"
            result[name] = Numbers(values, column.problem, column.row, column.cell)
    table.notes.append(f"{len(names)} series by {by}")
    wide = Table(table.path, result, {}, True, "time {}".format, table.notes, table.name)
    return wide, Axis((), times, axis.counts, axis.notes)


def _series(column: Any) -> tuple[np.ndarray, list[str]]:
    """The number of each row's series, -1 where there is none, and the names."""
    import pandas as pd

    if isinstance(column, Numbers):
        values = [None if np.isnan(v) else f"{v:g}" for v in column.values]
    else:
        values = [str(v) if v not in (None, "") else None for v in _listed(column)]
    codes, names = pd.factorize(pd.Series(values, dtype=object))
    return np.asarray(codes), [str(name) for name in names]


def _listed(column: Any) -> Any:
    return column.to_pylist() if hasattr(column, "to_pylist") else list(column)


def _distinct(times: Any, there: np.ndarray) -> tuple[Any, np.ndarray]:
    """All times once, in order, and which one each row has."""
    import pandas as pd

    codes, distinct = pd.factorize(times[there], sort=True)
    return distinct, np.asarray(codes)


def several_series(table: Table, axis: Axis) -> str | None:
    """A column that would tell repeated times apart; None if there is none."""
    import pandas as pd

    there = ~rows_without_time(axis)
    codes, distinct = pd.factorize(axis.times[there])
    if len(distinct) > 0.8 * len(codes):
        return None
    for name, column in table.columns.items():
        if name in axis.names or hasattr(column, "tz"):
            continue
        if isinstance(column, Numbers):
            known = np.unique(column.values)
            few = len(known) <= MOST_LEADS and bool((known % 1 == 0).all())
            if not few:
                continue
        series, names = _series(column)
        if 1 < len(names) <= MOST_LEADS:
            pairs = pd.Series(codes.astype("int64") * len(names) + series[there])
            if pairs.nunique() > 0.99 * len(pairs):
                return name
    return None
