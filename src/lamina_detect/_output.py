"""The files of a result, each of which appears under its name only when whole."""

import contextlib
import csv
import dataclasses
import functools
import json
import math
import os
import pathlib
import tempfile

import numpy as np

from lamina_detect._errors import BadInput


def prepare(folder):
    """`folder` as a path that can be written to; made if it is not there."""
    folder = pathlib.Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise BadInput(f"{folder}: cannot be written: {error.strerror or error}") from None
    return folder


@contextlib.contextmanager
def whole(path):
    """A temporary path with the ending of `path`, renamed to it when all went well."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise BadInput(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)


class ScoresFile:
    """scores.parquet: time, a score a lead, and the score together; written as the scores come.

    What is written can be read back after `close`, a stretch at a time.
    """

    ROWS = 65_536

    def __init__(self, path, recording):
        self.path, self.recording = path, recording
        self.waiting, self.rows, self.done = [], 0, 0
        self.file = None
        self.group = functools.lru_cache(4)(self._group)

    def add(self, values):
        """The scores of the next samples, `(n, leads + 1)`."""
        self.waiting.append(values)
        self.rows += len(values)
        while self.rows >= self.ROWS:
            self._write(self.ROWS)

    def _write(self, rows):
        import pyarrow as pa
        import pyarrow.parquet as pq

        values = np.concatenate(self.waiting)
        self.waiting, self.rows = [values[rows:]], len(values) - rows
        table = pa.table(self._columns(values[:rows]))
        if self.file is None:
            self.file = pq.ParquetWriter(self.path, table.schema, compression="zstd")
        self.file.write_table(table)
        self.done += rows

    def _columns(self, values):
        recording, span = self.recording, slice(self.done, self.done + len(values))
        if recording.times is None:
            times = recording.seconds(np.arange(span.start, span.stop))
        else:
            times = recording.times[span]
        names = [*(f"score_{lead}" for lead in recording.leads), "score"]
        return {"time": times} | dict(zip(names, values.T, strict=True))

    def close(self):
        """Everything is on its way to the disk."""
        import pyarrow.parquet as pq

        if self.rows or self.file is None:
            self._write(self.rows)
        self.file.close()
        self.file = pq.ParquetFile(self.path)

    def read(self, start, stop):
        """The scores of samples `start` to `stop`."""
        groups = range(start // self.ROWS, -(-stop // self.ROWS))
        values = np.concatenate([self.group(g) for g in groups])
        return values[start - groups.start * self.ROWS :][: stop - start]

    def _group(self, number):
        table = self.file.read_row_group(number)
        return np.stack([column.to_numpy() for column in table.columns[1:]], 1)


def write_events(folder, recording, events):
    """events.csv: start, end and peak in samples, score, lead, kind, alarm, time of the peak."""
    with whole(folder / "events.csv") as path, path.open("w", newline="") as file:
        names = [f.name for f in dataclasses.fields(events[0])] if events else EVENT_COLUMNS
        writer = csv.writer(file)
        writer.writerow([*names, "time"])
        for event in events:
            row = dataclasses.asdict(event)
            row["score"] = f"{event.score:.6g}"
            row["alarm"] = int(event.alarm)
            writer.writerow([*row.values(), time_of(recording, event.peak)])


EVENT_COLUMNS = ["start", "end", "peak", "score", "lead", "kind", "alarm"]


def time_of(recording, sample):
    """The time of a sample as text, in the recording's own terms."""
    if recording.times is not None:
        return str(recording.times[sample])
    return f"{float(recording.seconds(sample)):.6g}"


def write_run(folder, run):
    """run.json: what was run, with what, on what, and how it went."""
    with whole(folder / "run.json") as path:
        path.write_text(json.dumps(plain(run), indent=2, allow_nan=False) + "\n")


def plain(value):
    """Strict JSON: NaN and infinity as null."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
