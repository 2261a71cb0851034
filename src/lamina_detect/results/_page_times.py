"""Times of samples for a page: known at some samples, and straight lines between."""

from typing import Any

import numpy as np

from lamina_detect.recordings import Recording

# Samples whose time is known, evenly over the recording; and jumps of the clock, the largest first.
EVEN, MOST_JUMPS = 1024, 500
# A step of so many usual ones is a jump.
JUMP = 3.0
PIECE = 262_144


def page_times(recording: Recording) -> dict[str, Any]:
    """`kind`: dates (milliseconds from 1970, UTC), seconds, numbers or samples.

    `known`: `[sample, time]`; `jumps`: samples before which the clock jumps; `zone`: of dates, what
    the clock shows more than UTC, `[time, milliseconds]` from that time on.
    """
    if recording.times is None:
        return {"kind": "seconds" if recording.rate else "samples", "rate": recording.rate}
    kind = "dates" if _are_dates(recording.times) else "numbers"
    even = np.unique(np.linspace(0, recording.length - 1, EVEN).round().astype(int))
    jumps = _jumps(recording)
    places = np.unique(np.concatenate([even, jumps - 1, jumps]))
    known = [[int(p), _number(recording.times, int(p))] for p in places]
    found = {"kind": kind, "rate": recording.rate, "jumps": jumps.tolist()}
    found["known"] = [pair for pair in known if np.isfinite(pair[1])]
    if kind == "dates":
        found["zone"] = _zone(recording.times, [int(p) for p in places])
    return found


def _are_dates(times: Any) -> bool:
    return np.asarray(times[:1]).dtype.kind in "MO" or hasattr(times[:1], "asi8")


def numbers_of(times: Any) -> np.ndarray:
    """Dates as milliseconds from 1970 in UTC, others as they are."""
    if _are_dates(times):
        import pandas as pd

        return pd.DatetimeIndex(times).as_unit("ns").asi8 / 1e6
    return np.asarray(times, "float64")


def _number(times: Any, place: int) -> float:
    return float(numbers_of(times[place : place + 1])[0])


def _jumps(recording: Recording) -> np.ndarray:
    """Samples that come much later than one step after the sample before."""
    ends = [_number(recording.times, place) for place in (0, recording.length - 1)]
    usual = (ends[1] - ends[0]) / max(recording.length - 1, 1)
    if recording.rate:
        scale = 1000.0 if _are_dates(recording.times) else 1.0
        usual = min(usual, scale / recording.rate)
    found, sizes = [np.zeros(0, int)], [np.zeros(0)]
    for start in range(0, recording.length - 1, PIECE):
        steps = np.diff(numbers_of(recording.times[start : start + PIECE + 1]))
        where = np.flatnonzero(steps > JUMP * usual)
        found.append(start + where + 1)
        sizes.append(steps[where])
    places, size = np.concatenate(found), np.concatenate(sizes)
    return np.sort(places[np.argsort(-size, kind="stable")[:MOST_JUMPS]])


def _zone(times: Any, places: list[int]) -> list[list[float]]:
    """What the clock on the wall is ahead of UTC, and from which time on."""
    changes: list[list[float]] = []
    before = places[0]
    for place in places:
        ahead = _ahead(times, place)
        if ahead is None:
            return []
        if not changes:
            changes.append([_number(times, place), ahead])
        elif changes[-1][1] != ahead:
            # Between two samples that are known: half the way until it is found.
            last, first = before, place
            while first - last > 1:
                middle = (first + last) // 2
                last, first = (last, middle) if _ahead(times, middle) == ahead else (middle, first)
            changes.append([_number(times, first), ahead])
        before = place
    return changes


def _ahead(times: Any, place: int) -> float | None:
    """Milliseconds ahead of UTC; None where there is no time zone."""
    ahead = getattr(times[place], "utcoffset", lambda: None)()
    return None if ahead is None else ahead.total_seconds() * 1000
