"""Times that are computed, not kept: of a recording too long to hold one for each sample."""

import operator
from typing import Any

import numpy as np


class EvenTimes:
    """Times a step apart, as a sequence: one by its number, a stretch by a slice.

    Args:
        first: Of the first sample: a `pandas.Timestamp`, or a number of seconds.
        step: Nanoseconds, or seconds.
        length: Samples.
    """

    def __init__(self, first: Any, step: float, length: int) -> None:
        self.first, self.step, self.length = first, step, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return self._times(np.arange(*place.indices(self.length)))
        place = operator.index(place)
        if not -self.length <= place < self.length:
            raise IndexError(place)
        return self._times(np.array([place % self.length]))[0]

    def _times(self, places: np.ndarray) -> Any:
        import pandas as pd

        if isinstance(self.first, float):
            return self.first + places * self.step
        steps = np.round(places * self.step).astype("int64").astype("timedelta64[ns]")
        return self.first + pd.TimedeltaIndex(steps)
