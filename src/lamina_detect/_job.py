"""The main job from a path to a folder of results."""

import importlib.metadata
import importlib.util
import pathlib
import platform
import time

import keras

from lamina_detect import _output
from lamina_detect._detector import Detector
from lamina_detect._errors import BadInput
from lamina_detect._evaluate import Judge
from lamina_detect._events import FALSE_ALARMS, events_of, threshold_of
from lamina_detect._read import read
from lamina_detect._report import View, write_report
from lamina_detect._samples import samples_of
from lamina_detect._survey import Survey

DEMO = "KDD-TSAD_135/135_UCR_Anomaly_InternalBleeding16_{part}.csv"


def detect(recording=None, out="out", fit=None, columns=None, rate=None, progress=None, **settings):
    """Find what is unusual in a recording and write the results to a folder.

    Args:
        recording: Path of the recording; the demonstration by default.
        out: Folder for scores.parquet, events.csv, report.html, model.keras and run.json.
        fit: Path of the recording to learn from; the same one by default.
        columns, rate: As in `read`.
        progress: Called with `(what, done, of)`.
        settings: Of the `Detector`.

    Returns:
        What run.json holds.
    """
    began = time.perf_counter()
    tell = progress or (lambda what, done, of: None)
    folder = _output.prepare(out)
    if recording is None:
        recording, fit = (demo_path("TEST"), fit or demo_path("TRAIN"))
    tell("reading", 0, 1)
    scored = read(recording, columns, rate)
    learned = read(fit, columns, rate) if fit else scored
    tell("learning", 0, 1)
    detector = Detector(**settings).fit(learned)
    with _output.whole(folder / "scores.parquet") as path:
        survey, values, judge = _score(
            detector, scored, path, lambda done, of: tell("scoring", done, of)
        )
        threshold = threshold_of(survey.highest)
        detector.settings["threshold"] = threshold
        events = events_of(survey, values, threshold)
        run = _told(scored, learned, detector, events, judge.verdict())
        tell("writing", 0, 1)
        _output.write_events(folder, scored, events)
        with _output.whole(folder / "model.keras") as model:
            detector.save(model)
        view = View(scored, survey, samples_of(scored), values)
        write_report(folder, view, events, detector, run)
    run["seconds"] = round(time.perf_counter() - began, 2)
    _output.write_run(folder, run)
    return run


def _score(detector, recording, path, progress):
    """A survey of the scores, `read(start, stop)` for a stretch of them, and their judge."""
    survey = Survey(recording.leads, recording.length, detector.settings["window"])
    file, judge = _output.ScoresFile(path, recording), Judge(recording, detector.seed)
    for samples, values in detector.score_blocks(recording, progress):
        file.add(values)
        survey.add(samples, values)
        judge.add(values[:, -1])
    file.close()
    return survey.close(), file.read, judge


def _told(scored, learned, detector, events, verdict):
    """What run.json tells."""
    return {
        "recording": scored.name,
        "learned_from": learned.name,
        "samples": scored.length,
        "leads": list(scored.leads),
        "rate": scored.rate,
        "settings": detector.settings,
        "threshold": detector.settings["threshold"],
        "false_alarms_a_window": FALSE_ALARMS,
        "events": sum(e.kind == "anomaly" for e in events),
        "alarms": sum(e.alarm for e in events),
        "gaps": sum(e.kind == "gap" for e in events),
        "clipped": sum(e.kind == "clipped" for e in events),
        "flat": sum(e.kind == "flat" for e in events),
        "highest": [shown(scored, e) for e in events[:10] if e.kind == "anomaly"],
        "against_annotations": verdict,
        "versions": versions(),
        "files": ["scores.parquet", "events.csv", "report.html", "model.keras", "run.json"],
    }


def shown(recording, event):
    """An event as run.json and `--json` show it."""
    return {
        "peak": event.peak,
        "time": _output.time_of(recording, event.peak),
        "score": round(event.score, 3),
        "lead": event.lead,
        "alarm": event.alarm,
    }


def demo_path(part):
    """A part of the demonstration recording, which the aeon package carries."""
    # Found, not imported: aeon takes seconds to load.
    aeon = importlib.util.find_spec("aeon")
    if aeon is None or not aeon.submodule_search_locations:
        raise BadInput("The demonstration needs aeon: pip install 'lamina[demo]'")
    return (
        pathlib.Path(aeon.submodule_search_locations[0])
        / "datasets"
        / "data"
        / DEMO.format(part=part)
    )


def versions():
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
