"""One recording: its scores on the disk, its threshold, its events."""

import dataclasses
import math
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lamina_detect.corpus._job import Job
from lamina_detect.corpus._parts import OK, ROWS, SCORES, event_fields, schemas
from lamina_detect.model import Detector, nearest_usual
from lamina_detect.recordings import Recording
from lamina_detect.results import (
    Event,
    FalseAlarms,
    Summary,
    alarm_threshold,
    events_of,
    time_of,
)

# Of the alarms, and of the highest where there are few, so many are explained: each takes a run of
# a block of samples, as long as scoring some thousand.
EXPLAINED = 100


class Kept:
    """Scores of a recording of any length, in a file: `leads + 2` numbers a sample."""

    def __init__(self, path: pathlib.Path, leads: int) -> None:
        self.path, self.width, self.length = path, leads + 2, 0
        path.unlink(missing_ok=True)

    def add(self, values: np.ndarray, causal: np.ndarray) -> None:
        """The scores `(n, leads + 1)` of the next samples, and the causal one `(n,)`."""
        rows = np.concatenate([values, causal[:, None]], 1).astype("float32")
        with self.path.open("ab") as file:
            file.write(rows.tobytes())
        self.length += len(rows)

    def read(self, start: int, stop: int) -> np.ndarray:
        """The scores of samples `start` to `stop`: `(n, leads + 1)`."""
        return self._rows(start, stop)[:, :-1]

    def _rows(self, start: int, stop: int) -> np.ndarray:
        count = self.width * (min(stop, self.length) - start)
        rows = np.fromfile(self.path, "float32", count, offset=4 * self.width * start)
        return rows.reshape(-1, self.width)

    def tables(self, id: str) -> Iterator[Any]:
        """Rows of scores/, some at a time."""
        import pyarrow as pa

        for start in range(0, self.length, ROWS):
            rows = self._rows(start, start + ROWS)
            leads = self.width - 2
            offsets = np.arange(len(rows) + 1, dtype="int32") * leads
            own = pa.ListArray.from_arrays(offsets, np.ascontiguousarray(rows[:, :leads]).ravel())
            ids = pa.repeat(pa.scalar(id, pa.string()), len(rows))
            samples = np.arange(start, start + len(rows))
            columns = [ids, samples, rows[:, -2], rows[:, -1], own]
            yield pa.table(columns, schema=schemas()[SCORES])


@dataclasses.dataclass(frozen=True)
class Scored:
    """What one recording gave: its row, those of its events, and its scores."""

    row: Mapping[str, Any]
    events: list[dict[str, Any]]
    scores: Kept


def score(detector: Detector, recording: Recording, path: pathlib.Path, job: Job) -> Scored:
    """Score a recording as `detect` does; its scores go to `path`, and no further if it fails."""
    leads = own_leads(detector, recording)
    kept = Kept(path, len(leads))
    window = detector.settings["window"]
    part = FalseAlarms.parse(job.false_alarms).a_window(window, recording.rate)
    summary = Summary(leads, recording.length, window)
    for samples, causal, values in detector.score_blocks(recording):
        kept.add(values, causal[:, -1])
        summary.add(samples, values)
    maxima = summary.close().maxima
    threshold = alarm_threshold(maxima, part) if job.threshold is None else job.threshold
    events = events_of(summary, kept.read, threshold)
    rows = [_event_row(detector, recording, n, event) for n, event in enumerate(events)]
    row = {
        "status": OK,
        "reason": "",
        "samples": recording.length,
        "leads": leads,
        "rate": recording.rate,
        "threshold": threshold if math.isfinite(threshold) else None,
        "events": sum(event.kind == "anomaly" for event in events),
        "alarms": sum(event.alarm for event in events),
    }
    return Scored(row, rows, kept)


def own_leads(detector: Detector, recording: Recording) -> list[str]:
    """Those that are scored, by the recording's names: the model's own may be others."""
    known = detector.settings
    return [recording.leads[int(i)] for i in known.get("used", range(len(known["leads"])))]


def _event_row(detector: Detector, recording: Recording, number: int, event: Event) -> dict:
    """The row of events.csv, by the recording's own names."""
    near = None
    if event.kind == "anomaly" and number < EXPLAINED:
        expert, lead = detector.explain(recording, event.peak)
        nearest = nearest_usual(detector, recording, event.peak, expert)
        near = nearest and nearest.of(lead)
        place = detector.settings["leads"].index(lead)
        lead = own_leads(detector, recording)[place]
        event = dataclasses.replace(event, expert=expert, lead=lead)
    row = {name: getattr(event, name) for name in event_fields()}
    row["time"] = time_of(recording, event.peak)
    return row | {"shape": near and near.shape, "distance": near and float(near.distance)}
