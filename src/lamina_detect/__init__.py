"""The main job: from a recording to its anomalies, on the public API of lamina.

    recordings/   files to samples
    model/        what is usual, learned; a score for every sample
    results/      scores to events, files and a report
    corpus/       ten thousand recordings: a plan, workers, parts that are there or not
    _common/      what these share
    _job, live/   the two jobs that join them: a whole recording, and samples as they come

Importing it imports neither keras nor lamina: those names that need them are imported when they are
first used, so that a program can plan or read without starting a backend.
"""

import importlib
from typing import TYPE_CHECKING, Any

from lamina_detect._common import BadInput, Scores
from lamina_detect.corpus import Standing, detect_corpus, report_recording
from lamina_detect.recordings import Beats, Packing, ReadOptions, Recording, read
from lamina_detect.results import Event, find_events, find_threshold

if TYPE_CHECKING:
    from lamina_detect._job import detect
    from lamina_detect.live import Watch, watch
    from lamina_detect.model import Detector

__all__ = [
    "BadInput",
    "Beats",
    "Detector",
    "Event",
    "Packing",
    "ReadOptions",
    "Recording",
    "Scores",
    "Standing",
    "Watch",
    "detect",
    "detect_corpus",
    "find_events",
    "find_threshold",
    "read",
    "report_recording",
    "watch",
]

_NEED_KERAS = {
    "Detector": "lamina_detect.model",
    "Watch": "lamina_detect.live",
    "detect": "lamina_detect._job",
    "watch": "lamina_detect.live",
}


def __getattr__(name: str) -> Any:
    if name not in _NEED_KERAS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_NEED_KERAS[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
