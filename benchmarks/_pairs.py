"""Ours beside a peer: timed in turn, pair by pair; the median and the spread of the pairs' ratios.

One convention everywhere: a ratio is peer / ours, so above 1 ours is faster (or smaller).
"""

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterable

Timer = Callable[[], float]
"""Seconds of one call, measured now."""

WARM_UP = 2  # the first call traces and compiles, the second fills caches and the allocator


def timer(run: Callable[[], object], repeats: int = 1) -> Timer:
    """Seconds of one call of `run`: the mean of `repeats` calls in a row."""

    def seconds() -> float:
        start = time.perf_counter()
        for _ in range(repeats):
            run()
        return (time.perf_counter() - start) / repeats

    return seconds


def in_turn(ours: Timer, peer: Timer, pairs: int) -> list[tuple[float, float]]:
    """`pairs` times (ours, peer), in seconds.

    A pair is measured at one time, so that a busy machine slows both; who goes first alternates,
    so that what the one leaves in the caches is not always at the other's expense.
    """
    for _ in range(WARM_UP):
        ours()
        peer()
    found = []
    for pair in range(pairs):
        if pair % 2:
            theirs, mine = peer(), ours()
        else:
            mine, theirs = ours(), peer()
        found.append((mine, theirs))
    return found


@dataclasses.dataclass(frozen=True)
class Spread:
    """The median of some values, the smallest and the largest."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        values = list(values)
        return cls(statistics.median(values), min(values), max(values))


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of a table: what was measured, beside a peer, a limit, or alone.

    Args:
        work: What is done, with its sizes.
        ours: Our figures, in `unit`; None where ours could not be measured either.
        peer: The name of what stands beside it.
        theirs: The peer's figures; None where it is not installed, or there is none.
        ratio: Of the pairs, peer / ours.
        pairs: How many pairs, or how many rounds of ours alone.
        unit: `"s"` is shown as s, ms or us.
        at_least: The limit of the median ratio.
        at_most: The limit of our median, in `unit`.
        note: What else is to be known, such as why a peer has no figures.
    """

    work: str
    ours: Spread | None
    peer: str = ""
    theirs: Spread | None = None
    ratio: Spread | None = None
    pairs: int = 1
    unit: str = "s"
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Is the limit kept? None where there is no limit, or nothing to hold against it."""
        if self.at_least is not None and self.ratio is not None:
            return self.ratio.median >= self.at_least
        if self.at_most is not None and self.ours is not None:
            return self.ours.median <= self.at_most
        return None

    def record(self) -> dict:
        """For the JSON file."""
        return {**dataclasses.asdict(self), "met": self.met}

    def cells(self) -> list[str]:
        """For the table: work, ours, peer, ratio, limit."""
        absent = self.peer and self.theirs is None
        work = f"{self.work} ({self.note})" if self.note and not absent else self.work
        return [work, self._shown(self.ours), self._peer(), self._ratio(), self._limit()]

    def _peer(self) -> str:
        if self.peer and self.theirs is None:
            return f"{self.peer}: {self.note or 'not measured'}"
        return " ".join(filter(None, (self.peer, self._shown(self.theirs))))

    def _ratio(self) -> str:
        if self.ratio is None:
            return ""
        spread = f" ({_three(self.ratio.min)}..{_three(self.ratio.max)} of {self.pairs} pairs)"
        return f"{_three(self.ratio.median)}{spread if self.pairs > 1 else ''}"

    def _limit(self) -> str:
        limit = ""
        if self.at_least is not None:
            limit = f"ratio at least {_three(self.at_least)}"
        elif self.at_most is not None:
            limit = f"at most {quantity(self.at_most, self.unit)}"
        return f"{limit}: missed" if self.met is False else limit

    def _shown(self, spread: Spread | None) -> str:
        if spread is None:
            return ""
        shown = quantity(spread.median, self.unit)
        if self.ratio is not None or self.pairs == 1:
            return shown  # the spread of the ratios is what counts
        return f"{shown} ({quantity(spread.min, self.unit)}..{quantity(spread.max, self.unit)})"


def quantity(value: float, unit: str) -> str:
    """`0.0123, "s"` as `12.3 ms`; other units are taken as they are."""
    if unit == "s":
        for scale, smaller in ((1, "s"), (1e3, "ms"), (1e6, "us")):
            if value * scale >= 1 or smaller == "us":
                return f"{_three(value * scale)} {smaller}"
    return f"{_three(value)} {unit}".rstrip()


def _three(value: float) -> str:
    """Three digits that count, without an exponent; a count as it is."""
    if isinstance(value, int):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")


def compared(
    work: str, ours: Timer, peer: str, theirs: Timer, pairs: int, at_least: float | None = None
) -> Row:
    """Ours and the peer in turn."""
    mine, other = zip(*(found := in_turn(ours, theirs, pairs)), strict=True)
    ratio = Spread.of(b / a for a, b in found)
    return Row(work, Spread.of(mine), peer, Spread.of(other), ratio, pairs, at_least=at_least)


def alone(work: str, ours: Timer, rounds: int, at_most: float | None = None) -> Row:
    """Ours without a peer, after warming up."""
    for _ in range(WARM_UP):
        ours()
    times = Spread.of(ours() for _ in range(rounds))
    return Row(work, times, pairs=rounds, at_most=at_most)
