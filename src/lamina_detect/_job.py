"""The main job from a path to a folder of results."""

import dataclasses
import importlib.metadata
import math
import pathlib
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from lamina_detect._command import command_of
from lamina_detect._common import BadInput, atomic_write
from lamina_detect.model import MOST_LEARNED, Detector, nearest_usual
from lamina_detect.recordings import Recording, demo_path, read
from lamina_detect.results import (
    FALSE_ALARMS,
    FLOOR,
    BlockMaxima,
    Command,
    Evaluation,
    Event,
    FalseAlarms,
    LearnedShapes,
    ScoresFile,
    Summary,
    View,
    a_day,
    alarm_threshold,
    causal_threshold,
    columns_for,
    events_of,
    prepare,
    quality_of,
    tail_of,
    time_of,
    write_events,
    write_report,
    write_run,
)

Progress = Callable[[str, int, int], object]
# Events that are explained: each takes a run of a block.
EXPLAINED = 100
# Of run.json.
HIGHEST = 10
# Of another recording that was learned from: samples that are scored, to compare with.
COMPARED = 65_536


def detect(
    recording: str | pathlib.Path | None = None,
    out: str | pathlib.Path = "out",
    fit: str | pathlib.Path | None = None,
    columns: Sequence[str] | None = None,
    rate: float | None = None,
    progress: Progress | None = None,
    reading: Mapping[str, Any] | None = None,
    false_alarms: float | str = FALSE_ALARMS,
    threshold: float | None = None,
    model: str | pathlib.Path | None = None,
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
        false_alarms: Of the windows that are like the others, the part that may be alarms, such as
            0.001; or how many an hour, a day or a week, where there is a time axis: "2/day".
        threshold: The score from which on an event is an alarm, in place of that of this part. That
            of the causal score, which `lamina watch` goes by, stays the part's.
        model: A saved detector that scores, instead of one that is fitted.
        settings: Of the `Detector` that is fitted.

    Returns:
        What run.json holds.
    """
    began = time.perf_counter()
    report = progress or (lambda what, done, of: None)
    accepted = FalseAlarms.parse(false_alarms)
    if threshold is not None and not 0 < threshold < math.inf:
        raise BadInput(f"`threshold` must be a score above 0. Received: {threshold!r}")
    folder = prepare(out)
    options = reading or {}
    arguments = dict(out=out, fit=fit, columns=columns, rate=rate, model=model)
    arguments["false_alarms"] = str(accepted)
    command = command_of(recording, arguments, options, settings)
    if recording is None:
        recording, fit = (demo_path("TEST"), fit or demo_path("TRAIN"))
    report("reading", 0, 1)
    scored = read(recording, columns, rate, **options)
    learned = read(fit, columns, rate, **options) if fit else scored
    report("learning", 0, 1)
    detector = (
        Detector.load(model)
        if model
        else Detector(**settings).fit(learned, scored if fit else None)
    )
    if model:
        scored = _by_names_of(detector, scored)
    part = accepted.a_window(detector.settings["window"], scored.rate)
    with atomic_write(folder / "scores.parquet") as path:
        view, causal, evaluation = _score(
            detector, scored, path, lambda done, of: report("scoring", done, of)
        )
        _keep_tail(detector, causal, part)
        limit = alarm_threshold(view.summary.maxima, part) if threshold is None else threshold
        events = _explained(detector, scored, events_of(view.summary, view.values, limit))
        run = _run_record(scored, learned, detector, events, evaluation.metrics())
        run |= _alarm_record(detector, view, accepted, limit) | {
            "threshold_stated": threshold is not None,
            "quality": quality_of(
                view.summary,
                None if learned is scored else _known(detector, learned),
                min(learned.length, MOST_LEARNED),
            ),
        }
        report("writing", 0, 1)
        _write(folder, detector, view, events, run, command)
    run["seconds"] = round(time.perf_counter() - began, 2)
    write_run(folder, run)
    return run


def _keep_tail(detector: Detector, causal: BlockMaxima, part: float) -> None:
    """What `lamina watch` needs: the causal threshold, and the tail for another one."""
    detector.tail = dataclasses.astuple(tail_of(causal, part))
    online = causal_threshold(causal, part)
    if math.isfinite(online):
        detector.threshold = online


def _alarm_record(
    detector: Detector, view: View, accepted: FalseAlarms, limit: float
) -> dict[str, Any]:
    """Of run.json, what makes an event an alarm."""
    window, rate = detector.settings["window"], view.recording.rate
    part = accepted.a_window(window, rate)
    return {
        "threshold": limit if math.isfinite(limit) else None,
        "floor": FLOOR,
        "false_alarms": str(accepted),
        "false_alarms_a_window": part,
        "false_alarms_a_day": a_day(part, window, rate),
        "windows": tail_of(view.summary.maxima, part).windows,
    }


def _write(
    folder: pathlib.Path,
    detector: Detector,
    view: View,
    events: Sequence[Event],
    run: dict[str, Any],
    command: Command,
) -> None:
    """The results but scores.parquet and run.json."""
    write_events(folder, view.recording, events)
    with atomic_write(folder / "model.keras") as model:
        detector.save(model)
    shapes = [LearnedShapes(book.pictures(), book.share) for book in detector.codebooks or ()]
    write_report(folder, view, events, shapes, run, command)


def _by_names_of(detector: Detector, recording: Recording) -> Recording:
    """The recording with the model's names for its leads: results are told by those."""
    known, names = detector.settings, list(recording.leads)
    for place, name in zip(known.get("used", range(len(names))), known["leads"], strict=False):
        if place < len(names):
            names[place] = name
    return dataclasses.replace(recording, leads=tuple(names))


def _score(
    detector: Detector,
    recording: Recording,
    path: pathlib.Path,
    progress: Callable[[int, int], object],
) -> tuple[View, BlockMaxima, Evaluation]:
    """The scores, written to `path`, and on the way what the results need of them."""
    leads, window = detector.settings["leads"], detector.settings["window"]
    columns = columns_for(len(leads), recording.length)
    summary = Summary(leads, recording.length, window, columns)
    file, evaluation = ScoresFile(path, recording, leads), Evaluation(recording, detector.seed)
    maxima = BlockMaxima(window)
    for samples, causal, values in detector.score_blocks(recording, progress):
        file.add(values, causal[:, -1])
        summary.add(samples, values, causal[:, -1])
        maxima.add(causal[:, -1])
        # A beat is marked at its peak, and judged by what is known soon after it.
        evaluation.add((causal if evaluation.kind == "beats" else values)[:, -1])
    file.close()
    maxima.close()
    return View(recording, summary.close(), file.read, file.read_causal), maxima, evaluation


def _known(detector: Detector, learned: Recording) -> BlockMaxima:
    """The highest scores of windows of what was learned from: of its first `COMPARED` samples."""
    some = dataclasses.replace(learned, length=min(learned.length, COMPARED))
    maxima = BlockMaxima(detector.settings["window"])
    for _, _, values in detector.score_blocks(some):
        maxima.add(values[:, -1])
    maxima.close()
    return maxima


def _explained(detector: Detector, recording: Recording, events: Sequence[Event]) -> list[Event]:
    """The first `EXPLAINED` anomalies with what was unusual in them."""
    explained = list(events)
    first = [n for n, event in enumerate(events[:EXPLAINED]) if event.kind == "anomaly"]
    # In the order of the samples: some files are read from front to back.
    for number in sorted(first, key=lambda n: events[n].peak):
        event = events[number]
        expert, lead = detector.explain(recording, event.peak)
        nearest = nearest_usual(detector, recording, event.peak, expert)
        explained[number] = dataclasses.replace(event, expert=expert, lead=lead, nearest=nearest)
    return explained


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
        "left_out": list(detector.settings["left_out"]),
        "delay": detector.delay,
        "causal_threshold": detector.threshold,
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
        "one_in": float(f"{event.one_in:.3g}"),
        "expert": event.expert,
        "nearest": event.nearest and event.nearest.distances(),
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
