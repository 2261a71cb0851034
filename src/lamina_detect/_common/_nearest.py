"""What an event looks like beside the usual shape that is nearest to it."""

import dataclasses
from collections.abc import Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class NearestShape:
    """Of one lead: the window's samples and the nearest usual shape's, in the lead's own unit.

    `shape`: its number among those that the model learned of this lead. `distance`: the root mean
    square of the difference, in units of the lead's ordinary spread.
    """

    lead: str
    shape: int
    distance: float
    window: Sequence[float]
    usual: Sequence[float]


@dataclasses.dataclass(frozen=True)
class Nearest:
    """The window around an event, from sample `start` on, and what is usual beside it.

    `every`: samples from one value to the next, each the mean of so many. A lead with a gap in the
    window is not among `leads`.
    """

    start: int
    every: int
    leads: Sequence[NearestShape]

    def of(self, lead: str) -> NearestShape | None:
        """That of one lead; None if there is none."""
        return next((own for own in self.leads if own.lead == lead), None)

    def distances(self) -> dict[str, Any]:
        """Without the samples: plain JSON for run.json."""
        each = [
            {"lead": n.lead, "shape": n.shape, "distance": float(f"{n.distance:.4g}")}
            for n in self.leads
        ]
        return {"start": self.start, "every": self.every, "leads": each}
