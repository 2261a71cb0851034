"""Where each row lies on a regular axis: gaps, order, repeated rows, uneven steps."""

import dataclasses
from typing import Any

import numpy as np

from lamina_detect._common import BadInput
from lamina_detect.recordings._table._types import counted

# A step may be off by a quarter: what a clock in whole units, or a busy logger, makes of it.
TOLERANCE = 0.25
# The share of steps that may be off by more.
UNEVEN = 0.05
# From a straight line through all times, in steps: a missing row moves half of them by a half.
LINE = 0.4
HOUR = 3600.0
# Times that show whether they lie on a line: fewer lie on one by chance.
ENOUGH = 16
# Samples that gaps may add, over all leads: half a year of seconds of two leads.
MOST_ADDED = 1 << 25


@dataclasses.dataclass(frozen=True)
class Grid:
    """Rows on a regular axis.

    Args:
        rows: Which rows are kept, in the order of time.
        places: Where each of them lies.
        length: Samples in all.
        step: Seconds.
        seconds: Of each sample since the first.
        notes: What to report.
        spread: The times of the rows were coarser than the samples.
    """

    rows: np.ndarray
    places: np.ndarray
    length: int
    step: float
    seconds: np.ndarray
    notes: list[str]
    spread: bool = False


def grid_of(path: Any, seconds: np.ndarray, leads: int, forced: bool, line: Any) -> Grid:
    """The rows by their times; `forced`: uneven ones are taken as if they were even."""
    notes: list[str] = []
    seconds = _without_clock_change(seconds, line, notes)
    rows = _in_order(seconds, notes)
    rows, seconds = _without_repeats(rows, seconds[rows], notes)
    seconds, several = _spread(seconds, notes)
    if len(rows) < 2:
        raise BadInput(f"{path}: all rows have the same time; a recording has at least two samples")
    steps = np.diff(seconds)
    step = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    if several:
        places, step = _one_after_the_other(seconds)
    else:
        places, step = _places(path, seconds, step, forced, lambda at: line(int(rows[at])), notes)
    length = int(places[-1]) + 1
    added = length - len(rows)
    if added * leads > MOST_ADDED:
        at = int(np.argmax(np.diff(places)))
        raise BadInput(
            f"{path}: a gap of {_span((places[at + 1] - places[at]) * step)} after "
            f"{line(int(rows[at]))}, more than can be filled; split the file, or --resample it"
        )
    _report_gaps(places, step, added, notes)
    filled = _filled(seconds, places, length, step)
    return Grid(rows, places, length, step, filled, notes, several)


def _without_clock_change(seconds: np.ndarray, line: Any, notes: list[str]) -> np.ndarray:
    """Where daylight saving ends, local times go back by an hour, and the samples go on."""
    steps = np.diff(seconds)
    forward = steps[steps > 0]
    if not len(forward) or len(forward) == len(steps):
        return seconds
    step = float(np.median(forward))
    back = np.abs(steps + HOUR - step) <= TOLERANCE * step
    if step >= HOUR or not (back | (steps >= 0)).all():
        return seconds
    for row in np.flatnonzero(back).tolist():
        notes.append(
            f"the clock goes back by an hour after {line(row)}: the rows are kept in order"
        )
    return seconds + HOUR * np.concatenate([[0], np.cumsum(back)])


def _in_order(seconds: np.ndarray, notes: list[str]) -> np.ndarray:
    steps = np.diff(seconds)
    if (steps >= 0).all():
        return np.arange(len(seconds))
    if (steps <= 0).all():
        notes.append("the rows go back in time: they were turned round")
        return np.arange(len(seconds))[::-1]
    moved = int((steps < 0).sum())
    notes.append(f"the rows were sorted by time: {counted(moved, 'step')} back in time")
    return np.argsort(seconds, kind="stable")


def _without_repeats(
    rows: np.ndarray, seconds: np.ndarray, notes: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Without rows whose time came before: unless all times come several times."""
    repeated = np.diff(seconds, prepend=seconds[:1] - 1) == 0
    if not repeated.any() or repeated.mean() > UNEVEN * 4:
        return rows, seconds
    notes.append(f"{counted(int(repeated.sum()), 'row')} left out: the time came before")
    return rows[~repeated], seconds[~repeated]


def _spread(seconds: np.ndarray, notes: list[str]) -> tuple[np.ndarray, bool]:
    """Times that are coarser than the samples, spread evenly."""
    starts = np.flatnonzero(np.diff(seconds, prepend=seconds[:1] - 1) > 0)
    counts = np.diff(starts, append=len(seconds))
    inner = counts[1:-1]
    if len(counts) == len(seconds) or len(inner) < 2:
        return seconds, False
    usual = float(np.median(inner))
    steps = np.diff(seconds[starts])
    if usual < 2 or np.mean(np.abs(inner - usual) > 1) > UNEVEN:
        return seconds, False
    if np.mean(np.abs(steps - np.median(steps)) > 1e-3 * np.median(steps)) > UNEVEN:
        return seconds, False
    per = float(inner.sum()) / float(seconds[starts[-1]] - seconds[starts[1]])
    notes.append(f"several rows have the same time: spread evenly, {per:.6g} a second")
    return seconds[0] + np.arange(len(seconds)) / per, True


def _on_a_line(seconds: np.ndarray) -> bool:
    """Does every time lie near a straight line through the first and the last?"""
    if len(seconds) < ENOUGH:
        return False
    even = np.linspace(seconds[0], seconds[-1], len(seconds))
    step = (seconds[-1] - seconds[0]) / (len(seconds) - 1)
    return bool(step > 0) and float(np.abs(seconds - even).max()) <= LINE * step


def _one_after_the_other(seconds: np.ndarray) -> tuple[np.ndarray, float]:
    return np.arange(len(seconds)), float(seconds[-1] - seconds[0]) / (len(seconds) - 1)


def _places(
    path: Any, seconds: np.ndarray, step: float, forced: bool, line: Any, notes: list[str]
) -> tuple[np.ndarray, float]:
    """Where the rows lie, and the step in seconds."""
    if step <= 0:
        raise BadInput(f"{path}: the times do not go forward; state --time none and --rate")
    steps = np.diff(seconds)
    counts = np.round(steps / step)
    uneven = (np.abs(steps / step - counts) > TOLERANCE) | (counts < 1)
    share = float(uneven.mean())
    if uneven.any() and _on_a_line(seconds):
        notes.append(f"the times are rounded: {counted(int(uneven.sum()), 'step')} taken as even")
        return _one_after_the_other(seconds)
    if share > UNEVEN and forced:
        notes.append("the times are uneven: the rows are taken one after the other")
        return np.arange(len(seconds)), step
    if share > UNEVEN:
        raise BadInput(
            f"{path}: the times are uneven: {share:.0%} of the steps are not {_span(step)}, the "
            f"first after {line(int(np.flatnonzero(uneven)[0]))}; state a step for --resample "
            f"(such as {_rule(step)}), or --time none to take the rows one after the other"
        )
    if uneven.any():
        notes.append(f"{counted(int(uneven.sum()), 'step')} uneven: not {_span(step)}")
    counts, even = np.maximum(counts, 1), ~uneven
    # The median of rounded times is itself rounded; their mean is not.
    step = float(steps[even].sum() / counts[even].sum())
    return np.concatenate([[0], np.cumsum(counts)]).astype("int64"), step


def _report_gaps(places: np.ndarray, step: float, added: int, notes: list[str]) -> None:
    if not added:
        return
    jumps = np.diff(places)
    gaps = int((jumps > 1).sum())
    longest = _span(float(jumps.max() - 1) * step)
    text = f"a gap of {longest}" if gaps == 1 else f"{gaps} gaps, the longest {longest}"
    notes.append(f"{counted(added, 'row')} missing: {text}")


def _filled(seconds: np.ndarray, places: np.ndarray, length: int, step: float) -> np.ndarray:
    """A time for every sample: the row's own; in a gap, as many steps after the row before."""
    if length == len(places):
        return seconds
    before = np.repeat(np.arange(len(places)), np.diff(places, append=length))
    return seconds[before] + (np.arange(length) - places[before]) * step


def _span(seconds: float) -> str:
    """A length of time for people."""
    for unit, name in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms")):
        if seconds >= unit:
            return f"{seconds / unit:.4g} {name}"
    return f"{seconds:.3g} s"


def _rule(step: float) -> str:
    """A step for `--resample`."""
    if step >= 60 and round(step) % 60 == 0:
        return f"{round(step) // 60}min"
    return f"{round(step)}s" if step >= 1 else f"{max(1, round(step * 1000))}ms"
