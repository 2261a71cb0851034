"""The main job: from a recording to its anomalies, on the public API of lamina."""

from lamina_detect._detector import Detector, Scores
from lamina_detect._errors import BadInput
from lamina_detect._events import Event, find_events, find_threshold
from lamina_detect._job import detect
from lamina_detect._read import read
from lamina_detect._recording import Beats, Packing, Recording
from lamina_detect._watch import Watch, watch

__all__ = [
    "BadInput",
    "Beats",
    "Detector",
    "Event",
    "Packing",
    "Recording",
    "Scores",
    "Watch",
    "detect",
    "find_events",
    "find_threshold",
    "read",
    "watch",
]
