"""The report of one recording of a corpus, made when somebody wants to see it."""

import os
import pathlib
import tempfile

from lamina_detect.corpus._page import REPORTS
from lamina_detect.corpus._plan import Plan
from lamina_detect.corpus._source import Source
from lamina_detect.corpus._store import Store, absolute
from lamina_detect.corpus._worker import MODEL


def report_recording(results: str | os.PathLike[str], id: str) -> str:
    """Make the report of one recording of a corpus job, with the job's model and settings.

    Args:
        results: The folder or URL of the job's results.
        id: Of the recording: its path below the root.

    Returns:
        Where report.html is; the files of `detect` lie beside it.

    Raises:
        BadInput: if there is no such recording, or it changed since it was scored.
    """
    # Not above: it imports keras.
    from lamina_detect._job import detect

    store = Store(absolute(results))
    plan = Plan(store)
    known, planned = plan.job(), plan.find(id)
    with tempfile.TemporaryDirectory() as folder, Source(known.source).fetched(planned) as path:
        model = pathlib.Path(folder) / MODEL
        if not known.each:
            model.write_bytes(store.read(MODEL))
        out = pathlib.Path(folder) / "out"
        detect(
            path,
            out,
            reading=known.reading,
            false_alarms=known.false_alarms,
            threshold=known.threshold,
            model=None if known.each else model,
            **known.detector,
        )
        for file in sorted(out.iterdir()):
            with store.new(f"{REPORTS}/{id}/{file.name}") as new:
                new.write_bytes(file.read_bytes())
    return f"{store.url}/{REPORTS}/{id}/report.html"
