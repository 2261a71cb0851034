"""What becomes of the scores: events, files, a report, and figures against what people marked.

Nothing here knows the model, or needs keras.
"""

from lamina_detect.results._evaluation import (
    Evaluation,
    area_under_roc,
    average_precision,
    evaluate,
)
from lamina_detect.results._events import (
    FLOOR,
    JOINED,
    LONGEST,
    MIN_WINDOWS,
    Event,
    Tail,
    alarm_threshold,
    causal_threshold,
    causal_threshold_of,
    events_of,
    find_events,
    find_threshold,
    tail_of,
    threshold_of,
)
from lamina_detect.results._false_alarms import FALSE_ALARMS, FalseAlarms, a_day
from lamina_detect.results._files import ScoresFile, prepare, time_of, write_events, write_run
from lamina_detect.results._pictures import draw_overview
from lamina_detect.results._pieces import columns_for
from lamina_detect.results._quality import quality_of
from lamina_detect.results._report import write_report
from lamina_detect.results._summary import BlockMaxima, Summary
from lamina_detect.results._view import Command, LearnedShapes, View

__all__ = [
    "FALSE_ALARMS",
    "FLOOR",
    "JOINED",
    "LONGEST",
    "MIN_WINDOWS",
    "BlockMaxima",
    "Command",
    "Evaluation",
    "Event",
    "FalseAlarms",
    "LearnedShapes",
    "ScoresFile",
    "Summary",
    "Tail",
    "View",
    "a_day",
    "alarm_threshold",
    "area_under_roc",
    "average_precision",
    "causal_threshold",
    "causal_threshold_of",
    "columns_for",
    "draw_overview",
    "evaluate",
    "events_of",
    "find_events",
    "find_threshold",
    "prepare",
    "quality_of",
    "tail_of",
    "threshold_of",
    "time_of",
    "write_events",
    "write_report",
    "write_run",
]
