"""The main job from a path to a folder of results."""

import importlib.metadata
import pathlib
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from lamina_detect._common import atomic_write
from lamina_detect.model import Detector
from lamina_detect.recordings import Recording, demo_path, read
from lamina_detect.results import (
    FALSE_ALARMS,
    Evaluation,
    Event,
    LearnedShapes,
    ScoresFile,
    Summary,
    View,
    events_of,
    prepare,
    threshold_of,
    time_of,
    write_events,
    write_report,
    write_run,
)

Progress = Callable[[str, int, int], object]
# As many as the report draws.
HIGHEST = 10


def detect(
    recording: str | pathlib.Path | None = None,
    out: str | pathlib.Path = "out",
    fit: str | pathlib.Path | None = None,
    columns: Sequence[str] | None = None,
    rate: float | None = None,
    progress: Progress | None = None,
    reading: Mapping[str, Any] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Find what is unusual in a recording and write the results to a folder.

    Args:
        recording: Path of the recording; the demonstration by default.
        out: Folder for scores.parquet, events.csv, report.html, model.keras and run.json.
        fit: Path of the recording to learn from; the same one by default.
        columns, rate: As in `read`.
        progress: Called with `(what, done, of)`.
        reading: More arguments of `read`, by name.
        settings: Of the `Detector`.

    Returns:
        What run.json holds.
    """
    began = time.perf_counter()
    report = progress or (lambda what, done, of: None)
    folder = prepare(out)
    if recording is None:
        recording, fit = (demo_path("TEST"), fit or demo_path("TRAIN"))
    report("reading", 0, 1)
    options = reading or {}
    scored = read(recording, columns, rate, **options)
    learned = read(fit, columns, rate, **options) if fit else scored
    report("learning", 0, 1)
    detector = Detector(**settings).fit(learned)
    with atomic_write(folder / "scores.parquet") as path:
        view, evaluation = _score(
            detector, scored, path, lambda done, of: report("scoring", done, of)
        )
        threshold = threshold_of(view.summary.maxima)
        detector.threshold = threshold
        events = events_of(view.summary, view.values, threshold)
        run = _run_record(scored, learned, detector, events, evaluation.metrics())
        report("writing", 0, 1)
        write_events(folder, scored, events)
        with atomic_write(folder / "model.keras") as model:
            detector.save(model)
        shapes = [LearnedShapes(book.pictures(), book.share) for book in detector.codebooks or ()]
        write_report(folder, view, events, shapes, run)
    run["seconds"] = round(time.perf_counter() - began, 2)
    write_run(folder, run)
    return run


def _score(
    detector: Detector,
    recording: Recording,
    path: pathlib.Path,
    progress: Callable[[int, int], object],
) -> tuple[View, Evaluation]:
    """The scores, written to `path`, and on the way what the results need of them."""
    summary = Summary(recording.leads, recording.length, detector.settings["window"])
    file, evaluation = ScoresFile(path, recording), Evaluation(recording, detector.seed)
    for samples, values in detector.score_blocks(recording, progress):
        file.add(values)
        summary.add(samples, values)
        evaluation.add(values[:, -1])
    file.close()
    return View(recording, summary.close(), file.read), evaluation


def _run_record(
    scored: Recording,
    learned: Recording,
    detector: Detector,
    events: Sequence[Event],
    metrics: dict[str, Any] | None,
) -> dict[str, Any]:
    """What run.json holds."""
    return {
        "recording": scored.name,
        "learned_from": learned.name,
        "samples": scored.length,
        "leads": list(scored.leads),
        "rate": scored.rate,
        "notes": list(scored.notes),
        "settings": dict(detector.settings),
        "threshold": detector.threshold,
        "false_alarms_a_window": FALSE_ALARMS,
        "events": sum(e.kind == "anomaly" for e in events),
        "alarms": sum(e.alarm for e in events),
        "gaps": sum(e.kind == "gap" for e in events),
        "clipped": sum(e.kind == "clipped" for e in events),
        "flat": sum(e.kind == "flat" for e in events),
        "highest": [_shown(scored, e) for e in events[:HIGHEST] if e.kind == "anomaly"],
        "against_annotations": metrics,
        "versions": _versions(),
        "files": ["scores.parquet", "events.csv", "report.html", "model.keras", "run.json"],
    }


def _shown(recording: Recording, event: Event) -> dict[str, Any]:
    """An event as run.json and `--json` show it."""
    return {
        "peak": event.peak,
        "time": time_of(recording, event.peak),
        "score": round(event.score, 3),
        "lead": event.lead,
        "alarm": event.alarm,
    }


def _versions() -> dict[str, str]:
    """Of what computed the result."""
    names = ("lamina", "keras", "numpy", keras.backend.backend())
    found = {"python": platform.python_version(), "backend": keras.backend.backend()}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    if "lamina" not in found:
        import lamina

        found["lamina"] = lamina.__version__
    return found
