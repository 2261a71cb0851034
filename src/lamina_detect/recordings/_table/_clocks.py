"""Times of day, or since the start, without a day."""

from typing import Any

import numpy as np

from lamina_detect.recordings._arrow import compute

# 13:05, 1:05:07.250, 1:05 PM; since the start 100:00:00, 4 days 04:00:00, 4.04:00:00.
CLOCK = (
    r"^(?:(?P<d>\d{1,5})(?: days?,? |[.d] ?))?"
    r"(?P<h>\d{1,3}):(?P<m>\d{2})(?::(?P<s>\d{2})(?:[.,:](?P<f>\d{1,9}))?)?"
    r"(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?$"
)
# 05:07.3: with a fraction, minutes and seconds.
MINUTES = r"^(?P<m>\d{1,4}):(?P<s>\d{2})[.,](?P<f>\d{1,9})$"
# The share of cells that are times.
MOST = 0.95
HOURS_OF_DAY = 24


def clocks_of(name: str, text: Any) -> tuple[np.ndarray, list[str]] | None:
    """A column of times in seconds, NaN where it has none, and notes; None if it is not one."""
    import pyarrow as pa

    pc = compute()
    text = pc.utf8_trim_whitespace(pc.fill_null(text.cast(pa.string()), ""))
    for form, reader in ((CLOCK, _clock), (MINUTES, _minutes)):
        if len(text) and pc.mean(pc.match_substring_regex(text, form)).as_py() >= MOST:
            found = pc.extract_regex(text, form)
            found = found.combine_chunks() if hasattr(found, "combine_chunks") else found
            return reader(name, found)
    return None


def _clock(name: str, found: Any) -> tuple[np.ndarray, list[str]]:
    pc = compute()
    day, hour, minute, second = (_number(found, part) for part in "dhms")
    hour = hour + HOURS_OF_DAY * np.nan_to_num(day)
    if (
        np.isnan(second).all()
        and np.isnan(day).all()
        and (np.nanmax(hour) > HOURS_OF_DAY or _says_minutes(name))
    ):
        # No day has so many hours.
        note = f"{name}: read as minutes and seconds; --time none --rate states another"
        return _sum(np.zeros_like(hour), hour, minute), [] if _says_minutes(name) else [note]
    half = pc.utf8_lower(pc.fill_null(found.field("half"), ""))
    after = pc.equal(half, "p").to_numpy(zero_copy_only=False)
    twelve = pc.not_equal(half, "").to_numpy(zero_copy_only=False)
    hour = np.where(twelve, hour % 12 + 12 * after, hour)
    return _sum(hour, minute, np.nan_to_num(second) + _fraction(found)), []


def _minutes(name: str, found: Any) -> tuple[np.ndarray, list[str]]:
    minute = _number(found, "m")
    return _sum(np.zeros_like(minute), minute, _number(found, "s") + _fraction(found)), []


def _says_minutes(name: str) -> bool:
    return name.replace(" ", "").casefold().rstrip(")]").endswith(("mm:ss", "min:sec", "m:s"))


def _sum(hour: np.ndarray, minute: np.ndarray, second: np.ndarray) -> np.ndarray:
    seconds = 3600 * hour + 60 * minute + second
    # In a leap second there is a 60.
    return np.where(second < 61, seconds, np.nan)


def _number(found: Any, part: str) -> np.ndarray:
    import pyarrow as pa

    pc = compute()
    text = found.field(part)
    text = pc.if_else(pc.equal(pc.fill_null(text, ""), ""), pa.scalar(None, pa.string()), text)
    return pc.cast(text, pa.float64()).to_numpy(zero_copy_only=False)


def _fraction(found: Any) -> np.ndarray:
    import pyarrow as pa

    pc = compute()
    digits = pc.utf8_rpad(pc.fill_null(found.field("f"), ""), 9, "0")
    return pc.cast(digits, pa.float64()).to_numpy(zero_copy_only=False) / 1e9
