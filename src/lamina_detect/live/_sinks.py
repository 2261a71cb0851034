"""Where the results of a live line go."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Line:
    """What is known of the line before its first sample.

    `leads` are those that are scored. `done`: samples before the first one that comes. `calm`:
    samples after which an alarm has ended. `one_in` is None where the model does not know it.
    """

    leads: Sequence[str]
    units: Sequence[str]
    rate: float | None
    window: int
    threshold: float | None
    calm: int
    done: int
    mark: str


@dataclasses.dataclass(frozen=True)
class Batch:
    """The next samples `(n, leads)` from `first` on, and their causal scores `(n, leads + 1)`.

    `stamps`: their times as they came, None where there is none. `events`: each with the sample
    from which on it is known.
    """

    first: int
    samples: np.ndarray
    scores: np.ndarray
    stamps: Sequence[str | None]
    events: Sequence[tuple[int, dict[str, Any]]]


class Sink:
    """Takes the results; each method does nothing by itself. None of them may block for long."""

    def open(self, line: Line) -> None:
        """Before the first sample."""

    def take(self, batch: Batch) -> None:
        """The next results."""

    def skipped(self, number: int, reason: str) -> None:
        """Line `number`, from 1 on, was no sample."""

    def saved(self, samples: int, lines: int) -> None:
        """So many samples are durable in the state file; they came in so many lines."""

    def ended(self) -> None:
        """No more samples will come; may wait."""

    def close(self) -> None:
        """Let go of what is held, however it ended."""
