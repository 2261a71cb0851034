"""Long Parquet tables, read row group by row group."""

import functools
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina_detect._common import BadInput
from lamina_detect.recordings._options import ReadOptions
from lamina_detect.recordings._recording import Read, Recording
from lamina_detect.recordings._table import EvenTimes, LeadScan, Table, plan_of, times_of

# Values from which a table is not held in memory, and that a row group may have.
LARGE = 1 << 23
# Rows that are looked at together; the first of them decide what each column is.
ROWS = 1 << 18
# What is computed must be what is stored, to this share of a step.
EXACT = 1e-3


def read_in_pieces(
    path: pathlib.Path, file: Any, options: ReadOptions, table_of: Callable[..., Table]
) -> Recording | None:
    """The recording in a long file; None if it is short, or something else must be decided."""
    meta = file.metadata
    groups = [meta.row_group(i).num_rows for i in range(meta.num_row_groups)]
    if meta.num_rows * meta.num_columns < LARGE or options.by or options.resample:
        return None
    table = table_of(path, next(file.iter_batches(batch_size=ROWS)).to_pandas(ignore_metadata=True))
    axis, label, leads = plan_of(table, options)
    if label or (axis and len(axis.names) > 1) or max(groups) * len(leads) > LARGE:
        return None
    time = next(iter(axis.names), None) if axis else None
    scans = [LeadScan(path, name, options) for name in leads]
    steps = _Steps()
    for batch in file.iter_batches(batch_size=ROWS, columns=[*leads, *([time] if time else [])]):
        piece = table_of(path, batch.to_pandas(ignore_metadata=True))
        if time and not steps.add(_times_as(axis.times, piece, time, options)):
            return None
        for scan in scans:
            scan.add(piece.columns[scan.name].values)
    missing = [scan.missing(table.notes) for scan in scans]
    times, rate = None, options.rate
    if axis:
        times = EvenTimes(steps.first, steps.step, meta.num_rows)
        rate = rate or (None if axis.counts else 1 / steps.seconds)
        table.notes += axis.notes
    return Recording(
        name=path.stem,
        leads=tuple(leads),
        units=("",) * len(leads),
        length=meta.num_rows,
        rate=rate,
        read=_reader(path, file, groups, leads, missing, table_of),
        times=times,
        notes=tuple(table.notes),
    )


def _times_as(first: Any, piece: Table, time: str, options: ReadOptions) -> Any:
    """The times of a piece, read as the first ones were: numbers stay numbers however large."""
    if hasattr(first, "asi8"):
        return times_of(piece, time, options)
    return np.asarray(piece.columns[time].values, "float64")


class _Steps:
    """Whether times that come piece by piece are a step apart throughout."""

    def __init__(self) -> None:
        self.first: Any = None
        self.step = 0.0
        self._count = 0

    @property
    def seconds(self) -> float:
        return self.step if isinstance(self.first, float) else self.step / 1e9

    def add(self, times: Any) -> bool:
        """The next times; False as soon as they are not even."""
        dates = hasattr(times, "asi8")
        values = times.as_unit("ns").asi8 if dates else np.asarray(times, "float64")
        if len(values) < 2 and self.first is None:
            return False
        if self.first is None:
            self.first = times.as_unit("ns")[0] if dates else float(values[0])
            self._start = values[0]
            self.step = float(values[-1] - values[0]) / (len(values) - 1)
        places = np.arange(self._count, self._count + len(values))
        self._count += len(values)
        off = np.abs((values - self._start) - places * self.step)
        return self.step > 0 and bool((off <= EXACT * self.step).all())


def _reader(
    path: pathlib.Path,
    file: Any,
    groups: Sequence[int],
    leads: Sequence[str],
    missing: Sequence[Sequence[float]],
    table_of: Callable[..., Table],
) -> Read:
    ends = np.cumsum(groups)

    @functools.lru_cache(2)
    def group(number: int) -> np.ndarray:
        try:
            frame = file.read_row_group(number, columns=list(leads)).to_pandas(ignore_metadata=True)
        except Exception as error:  # damaged pages fail in many ways
            raise BadInput(f"{path}: row group {number} cannot be read: {error}") from None
        columns = table_of(path, frame).columns
        return np.stack(
            [_cleaned(columns[n].values, m) for n, m in zip(leads, missing, strict=True)], 1
        )

    def read(start: int, stop: int) -> np.ndarray:
        start, stop, _ = slice(start, stop).indices(int(ends[-1]))
        if stop <= start:
            return np.empty((0, len(leads)), "float32")
        first, last = np.searchsorted(ends, [start, stop - 1], side="right")
        values = np.concatenate([group(int(g)) for g in range(first, last + 1)])
        begin = int(ends[first]) - groups[first]
        return values[start - begin : stop - begin]

    return read


def _cleaned(values: np.ndarray, missing: Sequence[float]) -> np.ndarray:
    if len(missing):
        values = np.where(np.isin(values, missing), np.nan, values)
    return values.astype("float32")
