"""The rate of false alarms that people accept."""

import dataclasses
import re

from lamina_detect._common import BadInput

# Of the windows: the rate at which, on the known series, most alarms are right (docs/detection.md).
FALSE_ALARMS = 0.02
# A rate of half of the windows and above says nothing of what is unusual.
MOST = 0.5
SECONDS = {"hour": 3600.0, "day": 86400.0, "week": 604800.0}
WRITTEN = re.compile(rf"([^/]+?)\s*(?:/\s*(?:1\s*)?(window|{'|'.join(SECONDS)}))?")


@dataclasses.dataclass(frozen=True)
class FalseAlarms:
    """So many false alarms per `window`, `hour`, `day` or `week`.

    Example:
        >>> FalseAlarms.parse("2/day")
        FalseAlarms(number=2.0, per='day')
        >>> round(FalseAlarms.parse("2/day").a_window(window=300, rate=1 / 60), 4)
        0.4167
    """

    number: float
    per: str = "window"

    @classmethod
    def parse(cls, stated: "float | str | FalseAlarms") -> "FalseAlarms":
        """From a number of 0 to 0.5, a part of the windows, or text such as `0.001` or `2/day`."""
        if isinstance(stated, FalseAlarms):
            return stated
        found = WRITTEN.fullmatch(str(stated).strip())
        try:
            number, per = float(found[1]), found[2] or "window"  # type: ignore[index]
        except (TypeError, ValueError):
            number, per = float("nan"), "window"
        if not 0 < number < (MOST if per == "window" else float("inf")):
            raise BadInput(
                "`false_alarms` must be a part of the windows between 0 and 0.5, such as 0.001, or "
                f"a number per hour, day or week, such as 2/day. Received: {stated!r}"
            )
        return cls(number, per)

    def a_window(self, window: int, rate: float | None) -> float:
        """The part of the windows of so many samples, at `rate` samples per second."""
        if self.per == "window":
            return self.number
        if not rate:
            raise BadInput(
                f"`false_alarms` of {self} needs a time axis, and there is none: state the rate, "
                "or a part of the windows, such as 0.001"
            )
        part = self.number * window / rate / SECONDS[self.per]
        if part >= MOST:
            raise BadInput(
                f"`false_alarms` of {self} are {part:.3g} a window of {window / rate:.3g} s; they "
                f"must be below {MOST}"
            )
        return part

    def __str__(self) -> str:
        return f"{self.number:g}" + ("" if self.per == "window" else f"/{self.per}")


def a_day(part: float, window: int, rate: float | None) -> float | None:
    """False alarms a day, where `part` of the windows are; None without a time axis."""
    return part / (window / rate) * SECONDS["day"] if rate else None
