"""Tables to recordings: which columns are times, signals and labels, and where rows are missing."""

from lamina_detect.recordings._table._even_times import EvenTimes
from lamina_detect.recordings._table._names import mentions_time
from lamina_detect.recordings._table._table import LeadScan, from_table, plan_of, times_of
from lamina_detect.recordings._table._types import Numbers, Table

__all__ = [
    "EvenTimes",
    "LeadScan",
    "Numbers",
    "Table",
    "from_table",
    "mentions_time",
    "plan_of",
    "times_of",
]
