"""Tables to recordings: which columns are times, signals and labels, and where rows are missing."""

from lamina_detect.recordings._table._missing import Stand, find_missing
from lamina_detect.recordings._table._names import mentions_time
from lamina_detect.recordings._table._table import from_table
from lamina_detect.recordings._table._types import Numbers, Table

__all__ = ["Numbers", "Stand", "Table", "find_missing", "from_table", "mentions_time"]
