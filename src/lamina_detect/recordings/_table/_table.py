"""From a table of named columns to a recording."""

import dataclasses
from typing import Any

import numpy as np

from lamina_detect._common import BadInput
from lamina_detect.recordings._options import ReadOptions
from lamina_detect.recordings._recording import Recording
from lamina_detect.recordings._table._columns import label_of, labels_from, signals_of
from lamina_detect.recordings._table._grid import Grid, grid_of
from lamina_detect.recordings._table._missing import Stand, find_missing, note
from lamina_detect.recordings._table._resample import resampled
from lamina_detect.recordings._table._series import several_series, spread_series
from lamina_detect.recordings._table._time_axis import Axis, find_axis, rows_without_time
from lamina_detect.recordings._table._types import Numbers, Table


def from_table(table: Table, options: ReadOptions) -> Recording:
    """The recording in a table: its signals, on a regular axis if it has times."""
    if table.length < 2:
        raise BadInput(f"{table.path}: holds {table.length} row; a recording has at least two")
    axis = find_axis(table, options)
    columns = options.columns
    if options.by:
        table, axis = spread_series(table, options.by, axis, columns)
        columns = None
    elif axis and not options.columns and (by := several_series(table, axis)):
        raise BadInput(
            f"{table.path}: each time comes several times, once for each {by!r}: state --by {by}, "
            "or --time none to take the rows one after the other"
        )
    label = None if options.by else label_of(table, columns)
    taken = {*(axis.names if axis else ()), *([label] if label else ())}
    leads = signals_of(table, columns, taken)
    values = np.stack([_values(table, name, options) for name in leads], 1)
    labels = None if label is None else labels_from(table.columns[label])
    units = tuple(table.units.get(name, "") for name in leads)
    if axis is None:
        return _recording(table, leads, units, values, options.rate, None, labels)
    table.notes += axis.notes
    return _on_axis(table, axis, leads, units, values, labels, options)


def plan_of(table: Table, options: ReadOptions) -> tuple[Axis | None, str | None, tuple[str, ...]]:
    """The times, the labels and the signals of a table, by the rows that it has."""
    axis = find_axis(table, options)
    label = label_of(table, options.columns)
    taken = {*(axis.names if axis else ()), *([label] if label else ())}
    return axis, label, signals_of(table, options.columns, taken)


class LeadScan:
    """A lead that comes piece by piece: refused if infinite, and what means "no measurement"."""

    def __init__(self, path: Any, name: str, options: ReadOptions) -> None:
        self.path, self.name, self.options = path, name, options
        self._stand, self._done = Stand(), 0

    def add(self, values: np.ndarray) -> None:
        """The next samples."""
        if np.isinf(values).any():
            row = self._done + int(np.flatnonzero(np.isinf(values))[0])
            raise BadInput(
                f"{self.path}: column {self.name!r} is infinite at sample {row}; leave it empty"
            )
        self._stand.add(values)
        self._done += len(values)

    def missing(self, notes: list[str]) -> list[float]:
        """Numbers that mean "no measurement"; what was found out is added to `notes`."""
        found = self._stand.missing() if self.options.numbers_may_be_missing else {}
        if found:
            notes.append(note(self.name, found))
        return [*self.options.missing_numbers(), *found]


def times_of(table: Table, name: str, options: ReadOptions) -> Any:
    """The times in a column that is known to hold them."""
    axis = find_axis(table, dataclasses.replace(options, time=name))
    return np.zeros(0) if axis is None else axis.times


def _values(table: Table, name: str, options: ReadOptions) -> np.ndarray:
    """A lead, NaN where it has no measurement."""
    column: Numbers = table.columns[name]
    if column.problem:
        raise BadInput(column.problem)
    if column.row is not None:
        raise BadInput(
            f"{table.path}: column {name!r} has {column.cell!r} at sample {column.row}: not a "
            f"number ({table.line(column.row)}); correct it, or state that it is --missing"
        )
    values = column.values
    infinite = np.isinf(values)
    if infinite.any():
        row = int(np.flatnonzero(infinite)[0])
        raise BadInput(
            f"{table.path}: column {name!r} is infinite at sample {row} ({table.line(row)}); leave "
            "the cell empty where there is no measurement"
        )
    counts = find_missing(values, options.missing_numbers(), options.numbers_may_be_missing)
    if counts:
        table.notes.append(note(name, counts))
        values = np.where(np.isin(values, list(counts)), np.nan, values)
    return values.astype("float32")


def _on_axis(
    table: Table,
    axis: Axis,
    leads: tuple[str, ...],
    units: tuple[str, ...],
    values: np.ndarray,
    labels: np.ndarray | None,
    options: ReadOptions,
) -> Recording:
    without = rows_without_time(axis)
    if without.any():
        table.notes.append(f"rows left out for want of a time: {int(without.sum()):,}")
    rows = np.flatnonzero(~without)
    if len(rows) < 2:
        raise BadInput(f"{table.path}: {len(rows)} row with a time; a recording has at least two")
    times, values = axis.times[rows], values[rows]
    labels = None if labels is None else labels[rows]
    if options.resample:
        times, values, labels = resampled(table.path, times, values, labels, options.resample)
        rows = np.arange(len(times))
        table.notes.append(f"averaged to a step of {options.resample}")
    seconds = _seconds(times)
    forced = options.rate is not None
    grid = grid_of(table.path, seconds, len(leads), forced, lambda row: table.line(int(rows[row])))
    table.notes += grid.notes
    rate = options.rate or (None if axis.counts else 1 / grid.step)
    return _recording(
        table,
        leads,
        units,
        _placed(grid, values, np.nan),
        rate,
        _times(grid, times),
        None if labels is None else _placed(grid, labels, False),
    )


def _seconds(times: Any) -> np.ndarray:
    """Since the earliest."""
    if not hasattr(times, "asi8"):
        return np.asarray(times, "float64") - float(np.min(times))
    ns = times.as_unit("ns").asi8
    return (ns - ns.min()) / 1e9


def _placed(grid: Grid, values: np.ndarray, empty: Any) -> np.ndarray:
    if grid.length == len(values) and (np.diff(grid.rows) == 1).all():
        return values
    result = np.full((grid.length, *values.shape[1:]), empty, values.dtype)
    result[grid.places] = values[grid.rows]
    return result


def _times(grid: Grid, times: Any) -> Any:
    """The time of each sample; in a gap too."""
    import pandas as pd

    if not hasattr(times, "asi8"):
        return grid.seconds + float(np.min(times))
    if grid.length == len(times) and not grid.spread:
        return times[grid.rows]
    ns = times.as_unit("ns").asi8.min() + np.round(grid.seconds * 1e9).astype("int64")
    index = pd.DatetimeIndex(ns.astype("datetime64[ns]"))
    return index if times.tz is None else index.tz_localize("UTC").tz_convert(times.tz)


def _recording(
    table: Table,
    leads: tuple[str, ...],
    units: tuple[str, ...],
    values: np.ndarray,
    rate: float | None,
    times: Any,
    labels: np.ndarray | None,
) -> Recording:
    return Recording.from_array(
        values,
        rate=rate,
        leads=leads,
        name=table.name or table.path.stem,
        units=units,
        times=times,
        labels=labels,
        notes=tuple(table.notes),
    )
