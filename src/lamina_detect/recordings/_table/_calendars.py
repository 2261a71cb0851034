"""Days that are written otherwise: weeks, days of the year, quarters."""

from typing import Any

import numpy as np

from lamina_detect.recordings._arrow import compute

# ISO 8601: 2024-W05, 2024W05, 2024-W05-3; 2024-061. And 2024-Q1, 2024 Q1.
WEEK = r"^(?P<year>\d{4})-?[Ww](?P<number>\d{2})(?:-?(?P<day>[1-7]))?$"
DAY_OF_YEAR = r"^(?P<year>\d{4})-(?P<number>\d{3})$"
QUARTER = r"^(?P<year>\d{4})[- ]?[Qq](?P<number>[1-4])$"


def other_days(text: Any, start: list[str]) -> np.ndarray | None:
    """The days of a column of text, NaT where it has none; None if its first cells are none."""
    import pyarrow as pa

    pc = compute()
    first = pa.array(start, pa.string())
    for form, reader in ((WEEK, _weeks), (DAY_OF_YEAR, _days), (QUARTER, _quarters)):
        if start and 2 * (pc.sum(pc.match_substring_regex(first, form)).as_py() or 0) > len(start):
            found = pc.extract_regex(text, form)
            found = found.combine_chunks() if hasattr(found, "combine_chunks") else found
            fits = pc.is_valid(found).to_numpy(zero_copy_only=False)
            year, number = _whole(found.field("year"), fits), _whole(found.field("number"), fits)
            day = _whole(found.field("day"), fits) if form is WEEK else np.ones_like(number)
            # The years that nanoseconds can count.
            fits &= (year >= 1678) & (year <= 2261)
            year = np.where(fits, year, 1970)
            days = reader(year, number, np.maximum(day, 1)).astype("datetime64[ns]")
            return np.where(fits, days, np.datetime64("NaT"))
    return None


def _whole(part: Any, fits: np.ndarray) -> np.ndarray:
    import pyarrow as pa

    pc = compute()
    numbers = pc.cast(pc.if_else(pc.equal(pc.fill_null(part, ""), ""), "0", part), pa.int64())
    return np.where(fits, pc.fill_null(numbers, 0).to_numpy(zero_copy_only=False), 0)


def _years(year: np.ndarray) -> np.ndarray:
    return (year - 1970).astype("datetime64[Y]").astype("datetime64[D]")


def _weeks(year: np.ndarray, week: np.ndarray, day: np.ndarray) -> np.ndarray:
    """The first week is that of the fourth of January."""
    fourth = _years(year) + 3
    # The first of January 1970 was a Thursday.
    monday = fourth - (fourth.astype("int64") + 3) % 7
    days = monday + 7 * (week - 1) + (day - 1)
    return np.where((week >= 1) & (week <= 53), days, np.datetime64("NaT"))


def _days(year: np.ndarray, number: np.ndarray, _: np.ndarray) -> np.ndarray:
    days = _years(year) + (number - 1)
    return np.where(days.astype("datetime64[Y]") == _years(year), days, np.datetime64("NaT"))


def _quarters(year: np.ndarray, number: np.ndarray, _: np.ndarray) -> np.ndarray:
    months = (12 * (year - 1970) + 3 * (number - 1)).astype("datetime64[M]")
    return months.astype("datetime64[D]")
