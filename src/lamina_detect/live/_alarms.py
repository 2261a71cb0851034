"""When an alarm begins, and when it has ended."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamina_detect.results import LONGEST, Tail

# Windows of quiet that end an alarm. Fewer: on the known series more than 10 false alarms in 1,000
# windows; more: Numenta's score falls, since what comes later is hidden by what lasts
# (docs/measurements/series.md).
CALM = 6

Stamps = Sequence[str | None]


@dataclasses.dataclass(frozen=True)
class Alarm:
    """An alarm that lasts, or has ended; places are samples.

    `start`: the first one at the threshold. `peak`: where `score`, the highest, is; `lead` is the
    highest one there. `end`: the first sample of the quiet that ended it, or may end it; None
    without. The stamps are the times as they came.
    """

    number: int
    start: int
    peak: int = 0
    score: float = -math.inf
    lead: str = ""
    end: int | None = None
    start_stamp: str | None = None
    peak_stamp: str | None = None
    end_stamp: str | None = None


@dataclasses.dataclass(frozen=True)
class Change:
    """An alarm that has begun, or ended, which is known from `sample` on."""

    sample: int
    alarm: Alarm
    ended: bool


class AlarmRule:
    """Alarms of causal scores, by a threshold with hysteresis.

    One begins at the first score at the threshold or above. It has ended when `calm` samples one
    after the other lay below `lower` or had no score: what rises before that belongs to it. After
    `longest` samples it has ended all the same; what goes on is another one, which reminds.

    Args:
        threshold: Infinite: no alarm.
        lower: At most the threshold.
        calm, longest: Samples, at least 1.
        leads: Names of the scored leads.
    """

    def __init__(
        self, threshold: float, lower: float, calm: int, longest: int, leads: Sequence[str]
    ) -> None:
        self.threshold, self.lower = threshold, min(lower, threshold)
        self.calm, self.longest, self.leads = max(1, calm), max(1, longest), leads
        self.count = 0
        self.open: Alarm | None = None

    def add(self, first: int, scores: np.ndarray, stamps: Stamps) -> list[Change]:
        """What the next scores `(n, leads + 1)` change; they are those of samples from `first` on,
        and `stamps` their times."""
        found, at = [], 0
        while at < len(scores):
            if self.open is None:
                above = np.flatnonzero(scores[at:, -1] >= self.threshold)
                if not len(above):
                    break
                at += int(above[0])
                self.count += 1
                alarm = Alarm(self.count, first + at, start_stamp=stamps[at])
                self.open = self._higher(alarm, first, at, scores, stamps)
                found.append(Change(first + at, self.open, False))
            alarm, at = self._follow(self.open, first, at, scores, stamps)
            self.open = alarm
            if self._has_ended(alarm, first + at):
                self.open = None
                end = first + at if alarm.end is None else alarm.end
                found.append(Change(first + at - 1, dataclasses.replace(alarm, end=end), True))
        return found

    def _has_ended(self, alarm: Alarm, done: int) -> bool:
        """After `done` samples."""
        calm = alarm.end is not None and done - alarm.end >= self.calm
        return calm or done - alarm.start >= self.longest

    def _higher(
        self, alarm: Alarm, first: int, at: int, scores: np.ndarray, stamps: Stamps
    ) -> Alarm:
        """The alarm with its peak, so far, here."""
        lead = self.leads[int(np.nan_to_num(scores[at, :-1], nan=-np.inf).argmax())]
        return dataclasses.replace(
            alarm, peak=first + at, score=float(scores[at, -1]), lead=lead, peak_stamp=stamps[at]
        )

    def _follow(
        self, alarm: Alarm, first: int, at: int, scores: np.ndarray, stamps: Stamps
    ) -> tuple[Alarm, int]:
        """Go on until the alarm has ended, or there are no more scores; says how far."""
        for i in range(at, len(scores)):
            score = scores[i, -1]
            if score >= self.lower:
                if alarm.end is not None:
                    alarm = dataclasses.replace(alarm, end=None, end_stamp=None)
                if score > alarm.score:
                    alarm = self._higher(alarm, first, i, scores, stamps)
            elif alarm.end is None:
                alarm = dataclasses.replace(alarm, end=first + i, end_stamp=stamps[i])
            if self._has_ended(alarm, first + i + 1):
                return alarm, i + 1
        return alarm, len(scores)

    @property
    def state(self) -> dict[str, Any]:
        """Plain JSON, for `load_state`."""
        return {"count": self.count, "open": self.open and dataclasses.asdict(self.open)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`."""
        self.count = int(state["count"])
        self.open = Alarm(**state["open"]) if state["open"] else None


def rule_for(
    threshold: float,
    tail: Tail | None,
    window: int,
    leads: Sequence[str],
    calm: int | None = None,
) -> AlarmRule:
    """The rule of `watch`, for a detector of that window.

    `calm` in samples; `CALM` windows if None.

    The lower threshold is where an event of a recording ends; but no lower than what one usual
    window in ten exceeds: several windows must be quiet one after the other, which they might
    hardly ever be. `tail`: of the causal score; an older model does not know it.
    """
    calm = CALM * window if calm is None else calm
    lower = threshold / 2 if tail is None else max(tail.end_of(threshold), tail.high)
    return AlarmRule(threshold, lower, calm, max(LONGEST * window, 2 * calm), leads)
