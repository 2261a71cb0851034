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
from lamina_detect._evaluate import compare
from lamina_detect._events import FALSE_ALARMS, find_events, find_threshold
from lamina_detect._read import read

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
    scores = detector.score(scored, lambda done, of: tell("scoring", done, of))
    window = detector.settings["window"]
    threshold = find_threshold(scores.together, window)
    detector.settings["threshold"] = threshold
    events = find_events(scores, window, threshold)
    verdict = compare(scores.together, scored, detector.seed)
    run = {
        "recording": scored.name,
        "learned_from": learned.name,
        "samples": scored.length,
        "leads": list(scored.leads),
        "rate": scored.rate,
        "settings": detector.settings,
        "threshold": threshold,
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
    tell("writing", 0, 1)
    _output.write_scores(folder, scored, scores)
    _output.write_events(folder, scored, events)
    with _output.whole(folder / "model.keras") as path:
        detector.save(path)
    from lamina_detect._report import write_report

    write_report(folder, scored, scores, events, detector, run)
    run["seconds"] = round(time.perf_counter() - began, 2)
    _output.write_run(folder, run)
    return run


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
