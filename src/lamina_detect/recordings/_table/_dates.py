"""Text as dates and times of day, in the forms that people's programs write them."""

import dataclasses
import re
from typing import Any

import numpy as np

from lamina_detect.recordings._arrow import compute
from lamina_detect.recordings._markers import MARKERS
from lamina_detect.recordings._table._calendars import other_days
from lamina_detect.recordings._table._zones import (
    ABBREVIATIONS,
    in_zone,
    index_of,
    offsets_of,
    strings_of,
)

CLOCK = (
    r"(?P<h>\d{1,2}):?(?P<m>\d{2})(?::?(?P<s>\d{2})(?:[.,:](?P<f>\d{1,9}))?)?"
    r"(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?"
)
ZONE = (
    rf" ?(?P<zone>Z|{'|'.join(ABBREVIATIONS)}|UTC|GMT|(?:UTC|GMT)?[+-]\d{{1,2}}(?::?\d{{2}})?)?"
    r"(?: ?\[(?P<region>[\w/+-]+)\])?"
)
NUMERIC = r"(?P<a>\d{1,4})(?:[-/. ]|\. )(?P<b>\d{1,2}|\pL{3,9})(?:\.?[-/. ]|\. )(?P<c>\d{1,4})"
NAMED = r"(?P<b>\pL{3,9})\.? (?P<a>\d{1,2}),? (?P<c>\d{4})"
COMPACT = r"(?P<a>\d{4})(?P<b>\d{2})(?P<c>\d{2})"
WEEKDAY = r"^(?:\pL{2,9}\.?,? )?"
FORMS = (
    f"{WEEKDAY}{NUMERIC}(?:[T ,]+{CLOCK})?{ZONE}$",
    f"{WEEKDAY}{NAMED}(?:[T ,]+{CLOCK})?{ZONE}$",
    f"^{COMPACT}(?:[T _-]*{CLOCK})?{ZONE}$",
)
# The beginnings of the months' names: English, German, French, Spanish, Italian.
MONTHS = (
    "jan ene gen",
    "feb fév fev",
    "mar mär mrz",
    "apr avr abr",
    "may mai mag",
    "jun juin giu",
    "jul juil lug",
    "aug aoû ago",
    "sep set",
    "oct okt ott",
    "nov",
    "dec dez déc dic",
)
MOMENT = r"\d[-\d./]+[ T]+\d{1,2}:\d{2}\S*"
# What is written otherwise, and how it would stand in one of the forms above.
REWRITTEN = (
    (r"^\[(.*)\]$", r"\1"),
    # A stretch of time: its start is the sample's.
    (rf"^({MOMENT})(?: (?:-|\x{{2013}}|\x{{2014}}|to|bis) |/){MOMENT}", r"\1"),
    # A month alone begins on its first day: 2024-03, 03/2024, March 2024, Mar-24.
    (r"^(\d{4})[-/](\d{1,2})$", r"\1-\2-01"),
    (r"^(\d{1,2})/(\d{4})$", r"\2-\1-01"),
    (r"^(\pL{3,9})\.?[- /](\d{4})$", r"1 \1 \2"),
    (r"^(\pL{3})\.?-(\d{2})$", r"1-\1-\2"),
    # Web servers, C's ctime, and years with their characters.
    (r"^(\d{1,2}/\pL{3}/\d{4}):(\d{2}:\d{2})", r"\1 \2"),
    (r"^(?:\pL{3} )?(\pL{3}) +(\d{1,2}) (\d{1,2}:[\d:.]+) (\d{4})$", r"\2 \1 \4 \3"),
    ("^(\\d{4})[年년] ?(\\d{1,2})[月월] ?(\\d{1,2})[日일]", r"\1-\2-\3"),
    (r"^[Qq]([1-4])[- /]?(\d{4})$", r"\2-Q\1"),
)
# Two digits of a year: 70 to 99 are of the last century, as POSIX has it for 69 on.
CENTURY = 69
# Cells that are looked at before all of them are.
FIRST = 200


@dataclasses.dataclass(frozen=True)
class Dates:
    """Times of all cells, NaT where one is missing; which are wrong; and what to report."""

    times: Any
    wrong: np.ndarray
    notes: tuple[str, ...] = ()
    days_only: bool = False


def dates_of(text: Any, order: str | None = None) -> Dates | None:
    """A column of text as dates; None if less than half of the first cells are dates."""
    import pyarrow as pa

    pc = compute()
    text = pc.utf8_trim_whitespace(pc.fill_null(text.cast(pa.string()), ""))
    text = pc.if_else(pc.is_in(pc.utf8_lower(text), value_set=pa.array(sorted(MARKERS))), "", text)
    first = pa.array([cell for cell in text[:FIRST].to_pylist() if cell], pa.string())
    for form, instead in REWRITTEN:
        if pc.any(pc.match_substring_regex(first, form)).as_py():
            text = pc.replace_substring_regex(text, form, instead)
            first = pc.replace_substring_regex(first, form, instead)
    start = first.to_pylist()
    for form in FORMS:
        fits = pc.sum(pc.match_substring_regex(pa.array(start, pa.string()), form)).as_py() or 0
        if start and 2 * fits > len(start):
            return _read(text, form, order)
    return _other_days(text, start)


def _other_days(text: Any, start: list[str]) -> Dates | None:
    """Weeks, days of the year, or quarters."""
    pc = compute()
    days = other_days(text, start)
    if days is None:
        return None
    wrong = (pc.binary_length(text).to_numpy(zero_copy_only=False) > 0) & np.isnat(days)
    return Dates(index_of(days), wrong, days_only=True)


def _read(text: Any, form: str, order: str | None) -> Dates | None:
    pc = compute()
    found = pc.extract_regex(text, form)
    if hasattr(found, "combine_chunks"):
        found = found.combine_chunks()
    parts = {name: found.field(name) for name in re.findall(r"\?P<(\w+)>", form)}
    year, month, day, notes = _calendar(parts, order)
    if year is None:
        return None
    clock, days_only = _clock(parts)
    local = _joined(year, month, day) + clock
    filled = (pc.binary_length(text).to_numpy() > 0) & ~np.isnat(local)
    offsets, zoned = offsets_of(parts["zone"])
    # A zone in some cells only: the others cannot be placed.
    right = filled & (zoned if zoned[filled].any() else True)
    local = np.where(right, local, np.datetime64("NaT"))
    wrong = (pc.binary_length(text).to_numpy() > 0) & ~right
    times, more = (
        in_zone(local, offsets, right, parts["region"])
        if zoned[filled].any()
        else (
            index_of(local),
            [],
        )
    )
    return Dates(times, wrong, (*notes, *more), days_only)


def _ints(strings: Any) -> np.ndarray:
    """Whole numbers, -1 where there is none."""
    import pyarrow as pa

    pc = compute()
    empty = pc.or_(pc.is_null(strings), pc.equal(strings, ""))
    text = pc.if_else(pc.fill_null(empty, True), "-1", strings)
    return pc.cast(text, pa.int64()).to_numpy(zero_copy_only=False)


def _calendar(parts: dict[str, Any], order: str | None) -> tuple[Any, Any, Any, list[str]]:
    pc = compute()
    first, middle, last = parts["a"], parts["b"], parts["c"]
    names = pc.fill_null(pc.match_substring_regex(middle, r"\pL"), False)
    if pc.any(names).as_py():
        day, month = _ints(first), _months(middle)
        return _full_year(_ints(last)), month, day, []
    a, b, c = _ints(first), _ints(middle), _ints(last)
    there = a >= 0
    if np.median(a[there]) > 31:
        return np.where(a > 31, a, -1), b, c, []
    year = _full_year(c)
    day_first, notes = _day_first(a, b, year, order, parts)
    return (year, b, a, notes) if day_first else (year, a, b, notes)


def _full_year(year: np.ndarray) -> np.ndarray:
    short = (year >= 0) & (year < 100)
    return np.where(short, year + np.where(year >= CENTURY, 1900, 2000), year)


def _months(names: Any) -> np.ndarray:
    encoded = names.dictionary_encode()
    known = {name: i for i, listed in enumerate(MONTHS, 1) for name in listed.split()}

    def number(name: str) -> int:
        name = name.casefold()
        return known.get(name[:4], known.get(name[:3], -1))

    numbers = np.array([number(n) for n in encoded.dictionary.to_pylist()] + [-1])
    indices = encoded.indices.fill_null(len(numbers) - 1)
    return numbers[indices.to_numpy(zero_copy_only=False)]


def _day_first(
    a: np.ndarray, b: np.ndarray, year: np.ndarray, order: str | None, parts: dict[str, Any]
) -> tuple[bool, list[str]]:
    """Which of two numbers is the day: the whole column decides."""
    if order:
        return order == "dmy", []
    if (a > 12).any() or (b > 12).any():
        # Both: the one that fewer cells contradict; the others are reported as wrong.
        return bool((a > 12).sum() >= (b > 12).sum()), []
    clock, _ = _clock(parts)
    dmy, mdy = (_regularity(_joined(year, m, d) + clock) for m, d in ((b, a), (a, b)))
    american = bool((strings_of(parts["half"]) != "").any())
    day_first = dmy >= mdy if not american else dmy > mdy
    # The wrong one jumps by a month where a day begins.
    if dmy != mdy:
        return day_first, []
    read, other, option = ("day", "month", "mdy") if day_first else ("month", "day", "dmy")
    return day_first, [
        f"the dates are read with the {read} first; the {other} first is possible too "
        f"(--dates {option})"
    ]


def _regularity(times: np.ndarray) -> tuple[float, float]:
    """The share of steps that are the commonest one; then, how short the longest one is."""
    steps = np.diff(times.astype("int64"))
    if not len(steps):
        return (0.0, 0.0)
    _, counts = np.unique(steps, return_counts=True)
    return float(counts.max() / len(steps)), -float(np.abs(steps).max())


def _clock(parts: dict[str, Any]) -> tuple[np.ndarray, bool]:
    """Time since midnight, and whether no cell has a time of day."""
    pc = compute()
    hour, minute, second = (_ints(parts[name]) for name in "hms")
    half = pc.utf8_lower(parts["half"].fill_null(""))
    after = pc.equal(half, "p").to_numpy(zero_copy_only=False)
    twelve = pc.not_equal(half, "").to_numpy(zero_copy_only=False)
    hours = np.where(twelve, hour % 12 + 12 * after, hour)
    fraction = pc.utf8_rpad(parts["f"].fill_null("0"), 9, "0")
    fraction = pc.if_else(pc.equal(parts["f"].fill_null(""), ""), "000000000", fraction)
    ns = _ints(fraction) + 1_000_000_000 * (
        np.maximum(hours, 0) * 3600 + np.maximum(minute, 0) * 60 + np.maximum(second, 0)
    )
    clock = ns.astype("timedelta64[ns]")
    clock[(hours > 24) | (minute > 59) | (second > 60)] = np.timedelta64("NaT")
    return clock, bool((hour < 0).all())


def _joined(year: np.ndarray, month: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Midnight of the days; NaT where there is no such day."""
    # The years that nanoseconds can count.
    fits = (year >= 1678) & (year <= 2261) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    months = np.where(fits, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + np.where(fits, day - 1, 0)
    fits &= days.astype("datetime64[M]") == months
    result = days.astype("datetime64[ns]")
    result[~fits] = np.datetime64("NaT")
    return result
