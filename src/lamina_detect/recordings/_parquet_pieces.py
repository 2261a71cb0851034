"""Long Parquet tables, read batch by batch."""

import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from lamina_detect._common import BadInput, first_line
from lamina_detect.recordings._options import ReadOptions
from lamina_detect.recordings._recording import Recording
from lamina_detect.recordings._table import EvenTimes, LeadScan, Table, plan_of, times_of

# Values from which a table is not held in memory.
LARGE = 1 << 23
# Rows that decide what each column is, and rows that are read together.
FIRST, ROWS = 1 << 18, 1 << 16
EMPTY = "left out, empty"
# What is computed must be what is stored, to this share of a step.
EXACT = 1e-3


def read_in_pieces(
    path: pathlib.Path, file: Any, options: ReadOptions, table_of: Callable[..., Table]
) -> Recording | None:
    """The recording in a long file; None if it is short, or something else must be decided."""
    meta = file.metadata
    if meta.num_rows * meta.num_columns < LARGE or options.by or options.resample:
        return None
    table = table_of(
        path, next(file.iter_batches(batch_size=FIRST)).to_pandas(ignore_metadata=True)
    )
    axis, label, leads = plan_of(table, options)
    if label or (axis and len(axis.names) > 1):
        return None
    if any(note.endswith(EMPTY) for note in table.notes):
        return None  # It may be filled later.
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
        read=_Rows(path, file, leads, missing, table_of).read,
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


class _Rows:
    """The signals of a file, `(n, leads)`, from front to back.

    A Parquet file can be entered at the start of a row group only: whoever goes back within one
    waits for the rows before.
    """

    def __init__(
        self,
        path: pathlib.Path,
        file: Any,
        leads: Sequence[str],
        missing: Sequence[Sequence[float]],
        table_of: Callable[..., Table],
    ) -> None:
        self.path, self.file, self.leads, self.missing = path, file, list(leads), missing
        self.table_of = table_of
        self.groups = row_groups(file)
        self.ends = np.cumsum(self.groups)
        # The batch that is held: where it starts, how many rows it has, and its values once asked.
        self.start, self.count = 0, 0
        self.batch: Any = None
        self.values: np.ndarray | None = None
        self.batches: Iterator[Any] = iter(())

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows `start` to `stop`."""
        start, stop, _ = slice(start, stop).indices(int(self.ends[-1]))
        parts = [np.empty((0, len(self.leads)), "float32")]
        while start < stop:
            values = self._at(start)
            parts.append(values[start - self.start : stop - self.start])
            start += len(parts[-1])
        return np.concatenate(parts)

    def _at(self, row: int) -> np.ndarray:
        """The values of the batch that holds a row."""
        if not self.start <= row < self.start + self.count:
            self._go_to(row)
        if self.values is None:
            columns = self.table_of(self.path, self.batch.to_pandas(ignore_metadata=True)).columns
            named = zip(self.leads, self.missing, strict=True)
            self.values = np.stack([_cleaned(columns[n].values, m) for n, m in named], 1)
        return self.values

    def _go_to(self, row: int) -> None:
        group = int(np.searchsorted(self.ends, row, side="right"))
        begin = int(self.ends[group]) - self.groups[group]
        if row < self.start or self.start + self.count <= begin:
            self.start, self.count = begin, 0
            self.batches = self.file.iter_batches(ROWS, row_groups=[group], columns=self.leads)
        self.values = None
        while row >= self.start + self.count:
            self.start += self.count
            try:
                self.batch = next(self.batches)
            except Exception as error:  # damaged pages fail in many ways
                self.start, self.count = 0, 0
                raise BadInput(
                    f"{self.path}: row group {group} cannot be read: {first_line(error)}"
                ) from None
            self.count = self.batch.num_rows


def row_groups(file: Any) -> list[int]:
    """How many rows each group of a file has."""
    return [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]


def _cleaned(values: np.ndarray, missing: Sequence[float]) -> np.ndarray:
    if len(missing):
        values = np.where(np.isin(values, missing), np.nan, values)
    return values.astype("float32")
