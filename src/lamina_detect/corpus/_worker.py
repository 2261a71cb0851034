"""The worker: one model, one thread; a batch in, its parts out. The same for every engine."""

import contextlib
import dataclasses
import functools
import pathlib
import tempfile
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lamina_detect._common import BadInput, first_line
from lamina_detect.corpus._attempts import Attempts
from lamina_detect.corpus._errors import CannotWrite, is_full
from lamina_detect.corpus._job import Batch, Job, Outcome, Planned
from lamina_detect.corpus._parts import (
    CRASHED,
    EVENTS,
    FAILED,
    SCORES,
    SUMMARY,
    part,
    write_rows,
    writing,
)
from lamina_detect.corpus._pictures import Picture, picture_of
from lamina_detect.corpus._source import Source
from lamina_detect.corpus._store import Store
from lamina_detect.corpus._totals import outcome_of
from lamina_detect.recordings import Recording, read

if TYPE_CHECKING:
    from lamina_detect.corpus._score import Scored
    from lamina_detect.model import Detector

MODEL = "model.keras"


class Worker:
    """Runs batches of a job."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.source, self.store = Source(job.source), Store(job.out)

    @functools.cached_property
    def detector(self) -> "Detector":
        """The model of the job, loaded when it is first needed."""
        from lamina_detect.model import Detector

        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / MODEL
            path.write_bytes(self.store.read(MODEL))
            return Detector.load(path)

    def fit(self, path: str) -> None:
        """Learn the job's model from the recording at `path`."""
        self._fit(self._read(path))

    def fit_corpus(self, glob: str | None, without: str | None) -> None:
        """Learn it from every recording of the corpus that can be read."""
        self._fit(self._readable(glob, without))

    def _readable(self, glob: str | None, without: str | None) -> Iterator[Recording]:
        for planned in self.source.planned(glob, without):
            # What cannot be read is a row that says so, when its turn comes.
            with contextlib.suppress(BadInput), self.source.fetched(planned) as path:
                yield dataclasses.replace(self._read(path), name=planned.id)

    def _fit(self, recording: Recording | Iterator[Recording]) -> None:
        from lamina_detect.model import Detector

        detector = Detector(**self.job.detector).fit(recording)
        with self.store.new(MODEL) as model:
            detector.save(model)

    def _read(self, path: str | pathlib.Path) -> Recording:
        return read(path, **self.job.reading)

    def run(self, batch: Batch) -> Outcome:
        """Every recording of a batch, and its parts; at once where they are there already."""
        if self.store.exists(part(SUMMARY, batch.name)):
            return outcome_of(self.store.table(part(SUMMARY, batch.name)))
        if not self.job.each:
            _ = self.detector  # One that cannot be loaded is no recording's fault.
        attempts = Attempts(self.store, batch)
        attempts.begin()
        rows, events = [], []
        with self._scores(batch) as scores, tempfile.TemporaryDirectory() as folder:
            for planned in batch.recordings:
                began = time.perf_counter()
                row = _blank(planned, CRASHED, f"{planned.id}: killed its worker twice")
                if not attempts.has_crashed(planned.id):
                    attempts.begin_recording(planned.id)
                    row, own = self._one(planned, pathlib.Path(folder) / "scores", scores)
                    events += own
                rows.append(row | {"seconds": round(time.perf_counter() - began, 4)})
        write_rows(self.store, EVENTS, batch.name, events)
        write_rows(self.store, SUMMARY, batch.name, rows)
        attempts.end()
        return outcome_of(rows)

    @contextlib.contextmanager
    def _scores(self, batch: Batch) -> Iterator[Any]:
        if not self.job.scores:
            yield None
            return
        with writing(self.store, SCORES, batch.name) as new:
            yield new

    def _one(
        self, planned: Planned, path: pathlib.Path, scores: Any
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The row of a recording and those of its events; a failure is a row too."""
        try:
            found = self._score(planned, path)
        except Exception as error:  # of any reader
            if is_full(error) or isinstance(error, CannotWrite):
                raise CannotWrite(f"{path.parent}: cannot be written: {error}") from None
            known = isinstance(error, BadInput)
            reason = first_line(error) if known else f"{type(error).__name__}: {first_line(error)}"
            return _blank(planned, FAILED, reason), []
        if scores is not None:
            for table in found.scores.tables(planned.id):
                scores.add(table)
        mine = {"id": planned.id}
        return mine | dict(found.row), [mine | event for event in found.events]

    def _score(self, planned: Planned, path: pathlib.Path) -> "Scored":
        from lamina_detect.corpus._score import score

        with self.source.fetched(planned) as file:
            try:
                recording = self._read(file)
                return score(self._detector_for(recording), recording, path, self.job)
            except BadInput as error:
                # Users know the recording by its place, not by where it was fetched to.
                place = f"{self.source.url}/{planned.id}".rpartition("/")[0]
                raise BadInput(str(error).replace(str(file.parent), place)) from None

    def _detector_for(self, recording: Recording) -> "Detector":
        if not self.job.each:
            return self.detector
        import keras

        from lamina_detect.model import Detector

        # What was compiled for the recording before it is of no use to this one.
        keras.backend.clear_session()
        return Detector(**self.job.detector).fit(recording)

    def pictures(self, wanted: list[tuple[Planned, dict[str, Any]]]) -> list[Picture | None]:
        """A picture of each event; None where the recording is no longer what it was."""
        return [self._picture(planned, event) for planned, event in wanted]

    def _picture(self, planned: Planned, event: dict[str, Any]) -> Picture | None:
        try:
            with self.source.fetched(planned) as file:
                return picture_of(self._read(file), event)
        except Exception:  # of any reader: the page is complete without it
            return None


def _blank(planned: Planned, status: str, reason: str) -> dict[str, Any]:
    nothing = {"samples": 0, "leads": [], "rate": None, "threshold": None, "events": 0, "alarms": 0}
    return {"id": planned.id, "status": status, "reason": reason, **nothing}
