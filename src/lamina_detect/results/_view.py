"""What pictures and pages are drawn from."""

import dataclasses
from typing import NamedTuple

import numpy as np

from lamina_detect.recordings import Read, Recording
from lamina_detect.results._summary import Summary


@dataclasses.dataclass(frozen=True)
class View:
    """`values(start, stop)` gives the scores of a stretch, `causal` the causal ones."""

    recording: Recording
    summary: Summary
    values: Read
    causal: Read


@dataclasses.dataclass(frozen=True)
class LearnedShapes:
    """A lead's shapes as windows `(shapes, window)`, and each one's share of all windows."""

    windows: np.ndarray
    share: np.ndarray


class Command(NamedTuple):
    """The command of a result: `before`, and a threshold by `option` and a number and `after`."""

    before: str
    option: str
    after: str
