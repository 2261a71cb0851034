"""What a worker needs to know of its job: small, and the same for every engine."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Planned:
    """A recording of the plan.

    `id`: its path below the root. `files`: what belongs to it, names in one folder, its own first.
    `size`: bytes of all. `version`: of each file, its modification time or its etag.
    """

    id: str
    files: Sequence[str]
    size: int
    version: str


@dataclasses.dataclass(frozen=True)
class Batch:
    """The unit of work, and of its parts: `name` is the hash of its ids."""

    name: str
    recordings: Sequence[Planned]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for an engine that carries no classes."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Batch":
        """As `to_dict` gave it."""
        return cls(data["name"], [Planned(**planned) for planned in data["recordings"]])


@dataclasses.dataclass(frozen=True)
class Job:
    """Where from, where to, and how.

    `each`: fitted on each recording, by `detector`, the arguments of `Detector`; else the model is
    `model.keras` of the results. `reading`: arguments of `read`. `false_alarms`, `threshold`: as in
    `detect`. `scores`: whether they are kept.
    """

    source: str
    out: str
    each: bool
    detector: Mapping[str, Any]
    reading: Mapping[str, Any]
    false_alarms: str
    threshold: float | None
    scores: bool


@dataclasses.dataclass
class Outcome:
    """What became of recordings: of a batch, or of all so far. `seconds`: of signal."""

    recordings: int = 0
    failed: int = 0
    crashed: int = 0
    events: int = 0
    alarms: int = 0
    samples: int = 0
    seconds: float = 0.0

    def add(self, other: "Outcome") -> None:
        """Count these too."""
        for field in dataclasses.fields(self):
            total = getattr(self, field.name) + getattr(other, field.name)
            setattr(self, field.name, total)
