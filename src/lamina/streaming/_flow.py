"""What is known of a tensor before the model runs: its axes, and when its samples come."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from lamina._common import Shape

# Steps ("down", stride, offset) and ("up", ratio).
Schedule = tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Flow:
    """One tensor on its way through a model.

    Attributes:
        shape: With None for what is unknown; batch and time included.
        dtype: Its dtype.
        axes: Places of batch and time, `(0, 1)` for layers. None: it has no time axis and is the
            same at every step.
        schedule: How its samples come, as steps `("down", stride, offset)` and `("up", ratio)`;
            empty for one sample per sample of the model's input.
        lead: Zeros before the first sample, not yet taken up by a window.
        reach: Samples of the model's input that one sample here depends on.
    """

    shape: Shape
    dtype: str
    axes: Any = (0, 1)
    schedule: Schedule = ()
    lead: int = 0
    reach: float = 1

    @property
    def timed(self) -> bool:
        return self.axes is not None

    @property
    def hop(self) -> Fraction:
        """Samples of the model's input between two samples here."""
        hop = Fraction(1)
        for kind, factor, *_ in self.schedule:
            hop = hop * factor if kind == "down" else hop / factor
        return hop

    def widened(self, receptive_field: float) -> float:
        """The reach behind a layer that looks at `receptive_field` samples of this."""
        if math.isinf(receptive_field) or math.isinf(self.reach):
            return math.inf
        return self.reach + math.ceil((receptive_field - 1) * self.hop)


def delayed(schedule: Schedule, stride: int, offset: int) -> Schedule:
    """`schedule` followed by taking every `stride`-th sample from number `offset` on."""
    if schedule and schedule[-1][0] == "down":
        _, before, first = schedule[-1]
        stride, offset = before * stride, first + before * offset
        schedule = schedule[:-1]
    return (*schedule, ("down", stride, offset)) if (stride, offset) != (1, 0) else schedule


def multiplied(schedule: Schedule, ratio: int) -> Schedule:
    """`schedule` followed by `ratio` samples for each one."""
    return (*schedule, ("up", ratio)) if ratio != 1 else schedule
