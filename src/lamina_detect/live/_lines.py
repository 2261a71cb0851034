"""A line of text to a sample: which columns are the leads, and which is the time."""

import csv
import datetime
import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from lamina_detect._common import BadInput
from lamina_detect.recordings._table._names import is_time, plain

# What stands for no measurement. Fewer than a file may hold, where the whole column tells a word
# that stands for it from one that is a mistake.
MISSING = frozenset({"", "nan", "-nan", "na", "n/a", "null", "none", "-", "--", "?"})
# Of a line, and of a time, that is repeated in what is written: it may be of any length.
SHOWN = 80
# How `read` calls the columns of a table without header; then they are where their number says.
NUMBERED = re.compile(r"column(\d+)")
# Beyond it a number is infinite in float32.
MOST = 3.4e38


class BadLine(ValueError):
    """A line that is no sample; says why."""


class Sample(NamedTuple):
    """A value for each lead, NaN where there is none; and the time as it came, if it did."""

    values: list[float]
    stamp: str | None


class LineParser:
    """Lines such as `0.1, 0.2`: a number for each lead, and a time where there is one.

    A first line of names is a header: then each lead is taken from the column of its name, the time
    from a column that is called so, and other columns do not count.

    Args:
        leads: Names, in the order in which they are wanted.
        optional: Those of them that a header may lack: NaN.
        time: The column of the times: its name, its number from 1 on, or "none". Without, the one
            that the header calls time; or the first, if it is one too many and holds a date.
    """

    def __init__(
        self, leads: Sequence[str], optional: Sequence[str] = (), time: str | None = None
    ) -> None:
        self.leads, self.optional, self.time = list(leads), set(optional), time
        self.header: str | None = None
        self.notes: list[str] = []
        self.started = False
        self._separator: str | None = None
        self._columns: list[int] = []
        self._count = 0
        self._stamp = -1

    def parse(self, line: str) -> Sample | None:
        """The sample of a line; None of a header. Raises `BadLine`."""
        line = line.strip().lstrip("\ufeff")
        if line == self.header:
            return None
        if line.startswith("[") and line.endswith("]"):
            line = line[1:-1]
        if not line:
            return Sample([math.nan] * len(self.leads), None)
        if not self.started and self._is_header(line):
            self.read_header(line)
            return None
        separator = self._separator or _separator(line)
        fields = line.split(separator)
        if not self.started:
            self._without_header(fields)
        if len(fields) != self._count:
            raise BadLine(self._wrong_count(len(fields)))
        values = self._values(line, fields, separator)
        self._separator, self.started = separator, True
        stamp = fields[self._stamp].strip()[:SHOWN] if self._stamp >= 0 else None
        return Sample(values, stamp)

    def _values(self, line: str, fields: list[str], separator: str | None) -> list[float]:
        try:
            values = [float(fields[i]) if i >= 0 else math.nan for i in self._columns]
            # A comparison with NaN is false: then each is looked at.
            if max(values) < MOST and min(values) > -MOST and "_" not in line:
                return values
        except ValueError:
            pass
        try:
            return [_number(fields[i], separator) if i >= 0 else math.nan for i in self._columns]
        except ValueError as error:
            raise BadLine(f"{error}: {line[:SHOWN]!r}") from None

    def _is_header(self, line: str) -> bool:
        names = [name.strip() for name in _cells(line)]
        if self.header is not None or any(_is_number(n) or _is_date(n) for n in names):
            return False
        known = {plain(lead) for lead in self.leads} & {plain(n) for n in names}
        return bool(known) or len(names) - any(is_time(n) for n in names) == len(self.leads)

    def read_header(self, line: str) -> None:
        """Take the names of the columns from a header."""
        names = [name.strip() for name in _cells(line)]
        self._count, self._stamp = len(names), self._time_column(names)
        found = [self._find(lead, names) for lead in self.leads]
        rest = [i for i in range(len(names)) if i != self._stamp]
        if max(found) < 0 and len(rest) == len(self.leads):
            named = ", ".join(names[i] for i in rest)
            self.notes.append(f"the header has other names: {named} are taken in this order")
            found = rest
        for lead, column in zip(self.leads, found, strict=True):
            if column < 0 and lead not in self.optional:
                raise BadInput(f"the header has no column {lead}. Received: {line[:SHOWN]}")
        self._columns, self._separator = found, _separator(line)
        self.header, self.started = line, True

    def _find(self, lead: str, names: list[str]) -> int:
        for exact in (True, False):
            for place, name in enumerate(names):
                same = name == lead if exact else plain(name) == plain(lead)
                if same and place != self._stamp:
                    return place
        return -1

    def _time_column(self, names: list[str]) -> int:
        if self.time == "none":
            return -1
        if self.time is None:
            named = [i for i, n in enumerate(names) if is_time(n) and n not in self.leads]
            return named[0] if named else -1
        if self.time in names:
            return names.index(self.time)
        if self.time.isdecimal() and 1 <= int(self.time) <= len(names):
            return int(self.time) - 1
        raise BadInput(f"time: there is no column {self.time}. Received: {', '.join(names)}")

    def _without_header(self, fields: list[str]) -> None:
        """The leads in their order, and the time before them, or where it is said to be."""
        count, self._stamp = len(self.leads), -1
        if self.time is not None and self.time != "none":
            if not self.time.isdecimal() or not 1 <= int(self.time) <= count + 1:
                raise BadInput(
                    f"time: without a header, the number of its column, 1 to {count + 1}. "
                    f"Received: {self.time}"
                )
            self._stamp = int(self.time) - 1
        elif self.time is None and len(fields) == count + 1 and _is_date(fields[0].strip(' "')):
            self._stamp = 0
        self._count = count + (self._stamp >= 0)
        self._columns = [i for i in range(self._count) if i != self._stamp]
        numbered = [NUMBERED.fullmatch(lead) for lead in self.leads]
        places = [int(found[1]) for found in numbered if found]
        if len(fields) != self._count and len(places) == count and max(places) < len(fields):
            self._count, self._columns = len(fields), places

    def _wrong_count(self, count: int) -> str:
        if self.header is not None:
            return f"{count} fields for {self._count} columns"
        time = " and the time" if self._stamp >= 0 else ""
        return f"{count} numbers for {len(self.leads)} leads{time}"


def _separator(line: str) -> str | None:
    """What stands between the fields; None: spaces."""
    return next((mark for mark in "\t;," if mark in line), None)


def _cells(line: str) -> list[str]:
    separator = _separator(line)
    return line.split() if separator is None else next(csv.reader([line], delimiter=separator))


def _number(field: str, separator: str | None) -> float:
    field = field.strip().strip('"').strip()
    if field.casefold() in MISSING:
        return math.nan
    if separator in ("\t", ";"):
        field = field.replace(",", ".")
    # Python's own reading of 1_000.
    if "_" in field:
        raise ValueError("not numbers")
    try:
        value = float(field)
    except ValueError:
        raise ValueError("not numbers") from None
    if not abs(value) < MOST and not math.isnan(value):
        raise ValueError("an infinite number, which none is that was measured")
    return value


def _is_number(field: str) -> bool:
    try:
        _number(field, ";")
    except ValueError as error:
        return "infinite" in str(error)
    return True


def _is_date(field: str) -> bool:
    try:
        datetime.datetime.fromisoformat(field)
    except ValueError:
        return False
    return not _is_number(field)
