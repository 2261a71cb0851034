"""The files of a result."""

import csv
import dataclasses
import functools
import json
import math
import numbers
import os
import pathlib
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamina_detect._common import BadInput, atomic_write
from lamina_detect.recordings import Recording
from lamina_detect.results._events import Event


def prepare(folder: str | os.PathLike[str]) -> pathlib.Path:
    """`folder` as a path that can be written to; made if it is not there."""
    folder = pathlib.Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise BadInput(f"{folder}: cannot be written: {error.strerror or error}") from None
    return folder


class ScoresFile:
    """scores.parquet: time, a score per lead, the score together, and the causal score together.

    Written as the scores come; what is written can be read back after `close`, a stretch at a time.

    Args:
        path: Where to write.
        recording: What is scored: its times.
        leads: Those that are scored.
        rows: Samples that are written, and read back, together.
    """

    def __init__(
        self, path: pathlib.Path, recording: Recording, leads: Sequence[str], rows: int = 65_536
    ) -> None:
        self.path, self.recording, self.leads, self.rows = path, recording, leads, rows
        self._waiting: list[np.ndarray] = []
        self._count, self._done = 0, 0
        self._writer: Any = None
        self._reader: Any = None
        # Events lie close together: the group of one is mostly that of the next.
        self._group = functools.lru_cache(4)(self._read_group)

    def add(self, values: np.ndarray, causal: np.ndarray) -> None:
        """The scores of the next samples, `(n, leads + 1)`, and the causal one `(n,)`."""
        self._waiting.append(np.concatenate([values, causal[:, None]], 1))
        self._count += len(values)
        while self._count >= self.rows:
            self._write(self.rows)

    def _write(self, rows: int) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        values = np.concatenate(self._waiting)
        self._waiting, self._count = [values[rows:]], len(values) - rows
        table = pa.table(self._columns(values[:rows]))
        if self._writer is None:
            self._writer = pq.ParquetWriter(self.path, table.schema, compression="zstd")
        self._writer.write_table(table)
        self._done += rows

    def _columns(self, values: np.ndarray) -> dict[str, Any]:
        recording, span = self.recording, slice(self._done, self._done + len(values))
        if recording.times is None:
            times = recording.seconds(np.arange(span.start, span.stop))
        else:
            times = recording.times[span]
        names = [*(f"score_{lead}" for lead in self.leads), "score", "causal"]
        return {"time": times} | dict(zip(names, values.T, strict=True))

    def close(self) -> None:
        """Everything is on its way to the disk."""
        import pyarrow.parquet as pq

        if self._count or self._writer is None:
            self._write(self._count)
        self._writer.close()
        self._reader = pq.ParquetFile(self.path)

    def read(self, start: int, stop: int) -> np.ndarray:
        """The scores of samples `start` to `stop`: `(n, leads + 1)`."""
        return self._read(start, stop)[:, :-1]

    def read_causal(self, start: int, stop: int) -> np.ndarray:
        """The causal scores of samples `start` to `stop`: `(n,)`."""
        return self._read(start, stop)[:, -1]

    def _read(self, start: int, stop: int) -> np.ndarray:
        groups = range(start // self.rows, -(-stop // self.rows))
        values = np.concatenate([self._group(g) for g in groups])
        return values[start - groups.start * self.rows :][: stop - start]

    def _read_group(self, number: int) -> np.ndarray:
        table = self._reader.read_row_group(number)
        return np.stack([column.to_numpy() for column in table.columns[1:]], 1)


def write_events(folder: pathlib.Path, recording: Recording, events: Sequence[Event]) -> None:
    """events.csv: the fields of each `Event`, the time of its peak, and how far the nearest usual
    shape is in its lead: which one, and the distance (see `NearestShape`)."""
    names = [f.name for f in dataclasses.fields(Event) if f.name != "nearest"]
    with atomic_write(folder / "events.csv") as path, path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*names, "time", "shape", "distance"])
        for event in events:
            row = {name: getattr(event, name) for name in names}
            row["score"] = f"{event.score:.6g}"
            row["alarm"] = int(event.alarm)
            row["one_in"] = f"{event.one_in:.3g}"
            row["lead"] = cell_text(event.lead)
            near = event.nearest and event.nearest.of(event.lead)
            shape = [near.shape, f"{near.distance:.4g}"] if near else ["", ""]
            writer.writerow([*row.values(), time_of(recording, event.peak), *shape])


def cell_text(text: str) -> str:
    """`text` so that a spreadsheet shows it and does not run it: names come from strangers."""
    # A tab or a return at the front is skipped by some, and what follows is run.
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def time_of(recording: Recording, sample: int) -> str:
    """The time of a sample as text, in the recording's own terms."""
    if recording.times is not None:
        time = recording.times[sample]
        # Numbers count something: 4196, not 4196.0.
        return f"{float(time):.12g}" if isinstance(time, numbers.Real) else str(time)
    return f"{float(recording.seconds(sample)):.6g}"


def write_run(folder: pathlib.Path, run: Mapping[str, Any]) -> None:
    """run.json: what was run, with what, on what, and how it went."""
    with atomic_write(folder / "run.json") as path:
        path.write_text(json.dumps(plain(run), indent=2, allow_nan=False) + "\n")


def plain(value: Any) -> Any:
    """Strict JSON: NaN and infinity as null."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
