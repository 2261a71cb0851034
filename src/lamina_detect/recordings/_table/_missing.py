"""Numbers that mean "no measurement": they repeat exactly, and lie far outside."""

import dataclasses
from collections.abc import Sequence

import numpy as np

# How such numbers look: nines, the ends of the integers, and what is larger than any measurement.
# -127 and 85 are the temperatures of a DS18B20 that was not read.
LIKELY = np.array(
    sorted(
        {s * float("9" * n) for n in range(2, 8) for s in (1, -1)}
        | {s * (10.0**n - 0.1) for n in range(2, 6) for s in (1, -1)}
        | {s * (10.0**n - 0.01) for n in range(2, 6) for s in (1, -1)}
        | {-6999.0, 6999.0, -7999.0, 7999.0, -8888.0, 8888.0, -127.0, 1e20, 1e30, -1e20, -1e30}
        | {-32768.0, 32767.0, 65535.0, -2147483648.0, 2147483647.0, 4294967295.0}
    )
)
HUGE = 1e20
# Single-precision numbers carry 7 digits.
CLOSE = 1e-6
# Fewer are as likely to be measured.
REPEATED = 2
# How far outside, in the range of all other numbers.
FAR = 1.0


@dataclasses.dataclass
class Stand:
    """Which numbers of a lead mean "no measurement"; fed piece by piece.

    `counts` of the likely ones, and the range of all others.
    """

    counts: dict[float, int] = dataclasses.field(default_factory=dict)
    low: float = np.inf
    high: float = -np.inf

    def add(self, values: np.ndarray) -> None:
        """The next samples of the lead."""
        values = values[np.isfinite(values)]
        # What lies outside of all others is the lowest or the highest of the piece.
        if not len(values) or not _likely(np.array([values.min(), values.max()])).any():
            likely = np.zeros(len(values), bool)
        else:
            likely = _likely(values)
        if likely.any():
            found, counts = np.unique(values[likely], return_counts=True)
            for number, count in zip(found.tolist(), counts.tolist(), strict=True):
                self.counts[number] = self.counts.get(number, 0) + count
        rest = values[~likely]
        if len(rest):
            self.low, self.high = min(self.low, rest.min()), max(self.high, rest.max())

    def missing(self) -> dict[float, int]:
        """Those that mean it, and how often they occur."""
        if not self.low < self.high:
            return {}
        far = FAR * (self.high - self.low)
        return {
            number: count
            for number, count in self.counts.items()
            if count >= REPEATED and max(number - self.high, self.low - number) >= far
        }


def _likely(values: np.ndarray) -> np.ndarray:
    place = np.clip(np.searchsorted(LIKELY, values), 1, len(LIKELY) - 1)
    nearest = np.minimum(np.abs(LIKELY[place] - values), np.abs(LIKELY[place - 1] - values))
    return (nearest <= CLOSE * np.abs(values)) | (np.abs(values) >= HUGE)


def find_missing(values: np.ndarray, stated: Sequence[float], find: bool) -> dict[float, int]:
    """Numbers of a lead that mean "no measurement", by the user or by how they lie."""
    counts = {n: int((values == n).sum()) for n in stated}
    if find:
        stand = Stand()
        stand.add(values)
        counts |= stand.missing()
    return {number: count for number, count in counts.items() if count}


def note(name: str, counts: dict[float, int]) -> str:
    """For people: what was taken for "no measurement"."""
    listed = ", ".join(f"{number:g} ({count:,} times)" for number, count in counts.items())
    return f"{name}: {listed} taken as no measurement; --missing none keeps it"
