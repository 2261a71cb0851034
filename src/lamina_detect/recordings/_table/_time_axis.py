"""Which column holds the times: by what it holds, then by its name."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from lamina_detect._common import BadInput
from lamina_detect.recordings._options import NONE, ReadOptions
from lamina_detect.recordings._table import _names
from lamina_detect.recordings._table._clocks import clocks_of
from lamina_detect.recordings._table._dates import Dates, dates_of
from lamina_detect.recordings._table._epochs import epochs_of
from lamina_detect.recordings._table._types import Numbers, Table

# A column with fewer different times than this share of its rows says when something else was.
DIFFERENT = 0.02
# A share of steps that go forward: other columns of numbers go down as often as up.
FORWARD = 0.9


@dataclasses.dataclass(frozen=True)
class Axis:
    """The times of the rows.

    Args:
        names: The columns that they come from.
        times: A `pandas.DatetimeIndex`, or seconds; NaT or NaN where a row has none.
        counts: They count samples: whole numbers one apart, without a unit.
        notes: What to report.
    """

    names: tuple[str, ...]
    times: Any
    counts: bool = False
    notes: tuple[str, ...] = ()


def find_axis(table: Table, options: ReadOptions) -> Axis | None:
    """The times of the table; None where it has none."""
    if options.time == NONE:
        return None
    if options.time:
        return _stated(table, options)
    readers = (_parts, _dates, _epochs, _seconds, _clocks)
    return next((axis for reader in readers if (axis := reader(table, options))), None)


def _stated(table: Table, options: ReadOptions) -> Axis:
    name = options.time
    if name not in table.columns:
        known = ", ".join(list(table.columns)[:20])
        raise BadInput(f"{table.path}: no column {name!r} for the times; it has {known}")
    column = table.columns[name]
    only = dataclasses.replace(table, columns={name: column})
    if isinstance(column, Numbers):
        if times := epochs_of(name, column.values, stated=True):
            return Axis((name,), *times)
        return _of_seconds(name, column.values)
    if axis := _dates(only, options) or _clocks(only, options):
        return axis
    raise BadInput(f"{table.path}: column {name!r} holds no times that can be read")


def _parts(table: Table, options: ReadOptions) -> Axis | None:
    """Year, month and day, and perhaps hours and more, in columns of their own."""
    import pandas as pd

    found = {_names.plain(name): name for name in table.columns}
    wanted = [w for w in ("year", "month", "day", "hour", "minute", "second") if w in found]
    if wanted[:3] != ["year", "month", "day"]:
        return None
    columns = {w: table.columns[found[w]] for w in wanted}
    if not all(isinstance(column, Numbers) for column in columns.values()):
        return None
    frame = pd.DataFrame({w: column.values for w, column in columns.items()})
    times = pd.DatetimeIndex(pd.to_datetime(frame, errors="coerce"))
    return Axis(tuple(found[w] for w in wanted), times) if times.notna().mean() > 0.5 else None


def _dates(table: Table, options: ReadOptions) -> Axis | None:
    found = [(name, dates) for name, dates in _dated(table, options) if _varies(dates.times)]
    if not found:
        return None
    # The one that is called so; else the first.
    name, dates = min(found, key=lambda f: not (_names.is_time(f[0]) or _names.mentions_time(f[0])))
    _refuse_wrong(table, name, dates)
    if dates.days_only and (clock := _clock_beside(table) or _hour_beside(table)):
        times = dates.times + _timedelta(clock[1])
        return Axis((name, clock[0]), times, notes=(*dates.notes, *clock[2]))
    return Axis((name,), dates.times, notes=dates.notes)


def _dated(table: Table, options: ReadOptions) -> Iterator[tuple[str, Dates]]:
    """Every column of dates."""
    import pandas as pd

    for name, column in table.columns.items():
        if isinstance(column, pd.DatetimeIndex):
            start: Any = column[:100]
            days_only = bool(len(start)) and bool((start == start.normalize()).all())
            yield name, Dates(column, np.zeros(len(column), bool), (), days_only)
        elif not isinstance(column, Numbers) and (dates := dates_of(column, options.dates)):
            yield name, dates


def _varies(times: Any) -> bool:
    return times.nunique() > 1 and times.nunique() >= DIFFERENT * len(times) * 0.05


def _refuse_wrong(table: Table, name: str, dates: Dates) -> None:
    if not dates.wrong.any():
        return
    row = int(np.flatnonzero(dates.wrong)[0])
    cell = table.columns[name][row].as_py()
    raise BadInput(
        f"{table.path}: column {name!r} has {cell!r} in {table.line(row)}: not a time like the "
        "others; correct or remove it"
    )


def _clock_beside(table: Table) -> tuple[str, np.ndarray, list[str]] | None:
    """A column of times of day, for a column of days."""
    for name, column in table.columns.items():
        if not isinstance(column, Numbers) and _is_text(column):
            found = clocks_of(name, column)
            if found is not None:
                return name, *found
    return None


def _hour_beside(table: Table) -> tuple[str, np.ndarray, list[str]] | None:
    """A column of whole hours, for a column of days: 0 to 23, or 1 to 24."""
    for name, column in table.columns.items():
        if not isinstance(column, Numbers) or _names.plain(name) not in _names.HOURS:
            continue
        hours = column.values
        low, high = np.nanmin(hours, initial=np.inf), np.nanmax(hours, initial=-np.inf)
        if low >= 0 and high <= 24 and bool((hours % 1 == 0).all()):
            ending = low >= 1 and high == 24
            note = f"{name}: hours 1 to 24 are read as those that end then"
            return name, 3600.0 * (hours - ending), [note] if ending else []
    return None


def _is_text(column: Any) -> bool:
    import pandas as pd

    return not isinstance(column, Numbers | pd.DatetimeIndex)


def _timedelta(seconds: np.ndarray) -> Any:
    import pandas as pd

    return pd.TimedeltaIndex(pd.to_timedelta(np.round(seconds * 1e9), unit="ns"))


def _epochs(table: Table, options: ReadOptions) -> Axis | None:
    """Seconds, or parts of them, or days, since a known day."""
    for name, values in _candidates(table):
        if (_names.mentions_time(name) or _names.is_time(name) or _first(table, name)) and (
            times := epochs_of(name, values, stated=_names.is_time(name))
        ):
            return Axis((name,), *times)
    return None


def _first(table: Table, name: str) -> bool:
    return name == next(iter(table.columns))


def _candidates(table: Table) -> Iterator[tuple[str, np.ndarray]]:
    """The columns of numbers, those that are called times first."""
    numbers = [(n, c.values) for n, c in table.columns.items() if isinstance(c, Numbers)]
    yield from sorted(numbers, key=lambda n: not _names.is_time(n[0]))


def _seconds(table: Table, options: ReadOptions) -> Axis | None:
    """Numbers that go forward, in a column that is called time."""
    for name, values in _candidates(table):
        if table.named and _names.is_time(name) and _goes_forward(values):
            return _of_seconds(name, values)
    return None


def _goes_forward(values: np.ndarray) -> bool:
    steps = np.diff(values[np.isfinite(values)])
    return len(steps) > 0 and float(np.mean(steps >= 0)) >= FORWARD and bool((steps > 0).any())


def _of_seconds(name: str, values: np.ndarray) -> Axis:
    unit = _names.seconds_in(name)
    steps = np.diff(values[np.isfinite(values)])
    whole = bool(len(steps)) and bool((values[np.isfinite(values)] % 1 == 0).all())
    # Whole numbers one apart count samples and give no rate, unless a unit says that they do.
    counts = unit is None and whole and float(np.median(steps)) == 1
    notes = (f"{name}: in units of {unit:g} s, by its name",) if unit not in (None, 1.0) else ()
    return Axis((name,), values * (unit or 1.0), counts, notes)


def _clocks(table: Table, options: ReadOptions) -> Axis | None:
    """Times of day without a day, which begin again at midnight."""
    found = _clock_beside(table)
    if found is None or len(np.unique(found[1])) < 2:
        return None
    name, seconds, notes = found
    # Back by more than half a day: a day later.
    later = np.diff(seconds, prepend=seconds[:1]) < -43_200
    days = np.cumsum(later)
    if len(days) and days[-1]:
        notes.append(f"{name}: {days[-1]} midnights were passed")
    return Axis((name,), seconds + 86_400.0 * days, notes=tuple(notes))


def rows_without_time(axis: Axis) -> np.ndarray:
    """Where a row has no time."""
    times = axis.times
    return np.asarray(times.isna()) if hasattr(times, "isna") else ~np.isfinite(times)
