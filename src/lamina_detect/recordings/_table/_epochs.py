"""Numbers as dates: since 1970 in seconds or parts of them, days of Excel, and the like."""

import re
from typing import Any

import numpy as np

DAY = 86_400.0
# Seconds before 1970 of the days that others count from.
LABVIEW, WINDOWS = 2_082_844_800.0, 11_644_473_600.0
EXCEL_DAYS, MATLAB_DAYS = 25_569.0, 719_529.0
# From, to, seconds of a unit, seconds that 1970 is later, and what it is. The bounds are years in
# which people record: 1979 to 2080 for counts since 1970.
EPOCHS = (
    (3e8, 3.45e9, 1.0, 0.0, "seconds since 1970"),
    (3.45e9, 4.3e9, 1.0, LABVIEW, "seconds since 1904 (LabVIEW)"),
    (3e11, 3.45e12, 1e-3, 0.0, "milliseconds since 1970"),
    (3e14, 3.45e15, 1e-6, 0.0, "microseconds since 1970"),
    (3e17, 3.45e18, 1e-9, 0.0, "nanoseconds since 1970"),
    (1.2e17, 1.6e17, 1e-7, WINDOWS, "ticks of Windows since 1601"),
    (2e4, 8e4, DAY, EXCEL_DAYS * DAY, "days of Excel"),
    (7.2e5, 7.8e5, DAY, MATLAB_DAYS * DAY, "days of MATLAB"),
)
# A share of equal steps: what a clock writes.
EQUAL = 0.5
FORWARD = 0.9
# Seconds since a start have so many decimals at most; days written as numbers have more.
DECIMALS = 4


def epochs_of(
    name: str, values: np.ndarray, stated: bool
) -> tuple[Any, bool, tuple[str, ...]] | None:
    """Times, False, and what to report; None if the numbers are no dates.

    Args:
        name: Of the column.
        values: Its numbers.
        stated: The name, or the user, says that they are times.
    """
    there = values[np.isfinite(values)]
    if len(there) < 2:
        return None
    steps, middle = np.diff(there), float(np.median(there))
    if np.mean(steps >= 0) < FORWARD and not stated:
        return None
    if _are_months(there):
        return _from_digits(values * 100 + 1, 8), False, ()
    if digits := _calendar_digits(there):
        return _from_digits(values, digits), False, ()
    if not stated and not _steady(steps):
        return None
    for low, high, unit, offset, what in EPOCHS:
        if low <= middle <= high and there.min() >= low / 2 and there.max() <= high * 2:
            if unit == DAY and not _are_days(name, there):
                continue
            notes = () if offset == 0 else (f"{name}: {what}",)
            return _dates(values, unit, offset), False, notes
    return None


def _steady(steps: np.ndarray) -> bool:
    step = np.median(steps)
    return bool(step > 0) and float(np.mean(np.abs(steps - step) <= 1e-3 * step)) >= EQUAL


def _are_days(name: str, there: np.ndarray) -> bool:
    """Numbers of this size may be seconds as well."""
    if re.search(r"(?i)date|datum|day|serial|excel", name):
        return True
    seconds = np.diff(there[:1000]) * DAY
    rounded = np.abs(there[:1000] - np.round(there[:1000], DECIMALS)) < 10.0 ** -(DECIMALS + 3)
    # Whole seconds apart, and more decimals than a count of seconds has.
    return bool(np.mean(np.abs(seconds - np.round(seconds)) < 0.01) > 0.9) and not rounded.all()


def _dates(values: np.ndarray, unit: float, offset: float) -> Any:
    import pandas as pd

    if unit == DAY:
        # Whole milliseconds: a day as a number of 64 bits is no more exact.
        ns = np.round(values * DAY * 1e3 - offset * 1e3) * 1e6
    elif offset == 0:
        ns = np.round(values * round(unit * 1e9)) if unit >= 1e-9 else values
    else:
        ns = np.round(values * (unit * 1e9) - offset * 1e9)
    # Counts from 1970 are in UTC; the others are local times.
    return pd.DatetimeIndex(_as_dates(ns), tz="UTC" if unit != DAY and offset != LABVIEW else None)


def _as_dates(ns: np.ndarray) -> np.ndarray:
    valid = np.isfinite(ns) & (np.abs(ns) < 9e18)
    whole = np.where(valid, ns, 0).astype("int64").astype("datetime64[ns]")
    whole[~valid] = np.datetime64("NaT")
    return whole


def _are_months(there: np.ndarray) -> bool:
    """Months as one number, as 202403: through all twelve."""
    year, month = there // 100, there % 100
    return bool(
        (there % 1 == 0).all()
        and (year >= 1700).all()
        and (year <= 2100).all()
        and (month >= 1).all()
        and (month <= 12).all()
        and len(np.unique(month)) == 12
    )


def _calendar_digits(there: np.ndarray) -> int | None:
    """Digits of dates that are written as one number, as 20240301 or 20240301000500."""
    for digits in (8, 10, 12, 14):
        scale = 10.0 ** (digits - 8)
        days = np.floor(there / scale)
        month, day = days // 100 % 100, days % 100
        hour = np.floor(there / 10.0 ** max(0, digits - 10)) % 100 if digits > 8 else 0 * days
        if (
            (days >= 1.9e7).all()
            and (days <= 2.1e7 + 1231).all()
            and ((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all()
            and (hour < 24).all()
            and (there % 1 == 0).all()
        ):
            return digits
    return None


def _from_digits(values: np.ndarray, digits: int) -> Any:
    import pandas as pd

    form = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}[digits]
    text = [f"{int(v):d}" if np.isfinite(v) else None for v in values]
    return pd.DatetimeIndex(pd.to_datetime(pd.Series(text), format=form, errors="coerce"))
