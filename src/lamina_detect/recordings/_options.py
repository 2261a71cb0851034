"""What a user may state about a file; a reader finds out the rest."""

import dataclasses
import math
from collections.abc import Sequence

from lamina_detect._common import BadInput

NONE = "none"


@dataclasses.dataclass(frozen=True)
class ReadOptions:
    """The options of `read`, as a reader receives them.

    Args:
        columns: The columns that hold signals.
        rate: Samples per second.
        time: The column that holds the times; "none": there is none.
        by: The column that names the series of each row.
        missing: Numbers or words that mean "no measurement"; `["none"]`: no number does.
        resample: A step, such as "5min", to which irregular samples are averaged.
        decimal: "." or ",": what stands before the decimals.
        dates: "dmy" or "mdy": what comes first in a date.
        member: What is read inside the file: `FILE:MEMBER`.
    """

    columns: Sequence[str] | None = None
    rate: float | None = None
    time: str | None = None
    by: str | None = None
    missing: Sequence[str | float] = ()
    resample: str | None = None
    decimal: str | None = None
    dates: str | None = None
    member: str | None = None

    def __post_init__(self) -> None:
        rate = self.rate
        if rate is not None and not (math.isfinite(rate) and rate > 0):
            raise BadInput(f"rate: must be a number of samples per second above 0; got {rate}")
        if self.decimal not in (None, ".", ","):
            raise BadInput(f"decimal: must be '.' or ','; got {self.decimal!r}")
        if self.dates not in (None, "dmy", "mdy"):
            raise BadInput(f"dates: must be 'dmy' or 'mdy'; got {self.dates!r}")

    @property
    def numbers_may_be_missing(self) -> bool:
        """Whether a number such as -9999 may be taken for "no measurement"."""
        return NONE not in self.missing

    def missing_numbers(self) -> list[float]:
        """Those of `missing` that are numbers."""
        return [number for word in self.missing if (number := _number(word)) is not None]

    def missing_words(self) -> set[str]:
        """`missing` as text, in small letters."""
        return {str(word).strip().casefold() for word in self.missing} - {NONE}


def _number(word: str | float) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None
