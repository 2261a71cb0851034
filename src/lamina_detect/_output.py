"""The files of a result, each of which appears under its name only when whole."""

import contextlib
import csv
import dataclasses
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


def write_scores(folder, recording, scores):
    """scores.parquet: time, a score a lead, and the score together."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    times = recording.times
    if times is None:
        times = recording.seconds(np.arange(recording.length))
    columns = {"time": times}
    columns |= {f"score_{lead}": scores.values[:, i] for i, lead in enumerate(scores.leads)}
    columns["score"] = scores.together
    with whole(folder / "scores.parquet") as path:
        pq.write_table(pa.table(columns), path, compression="zstd")


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
