"""Lowest and highest of stretches: what a picture of a long recording is drawn from."""

import numpy as np

# What a picture as wide as a page can show.
COLUMNS = 1200


def width_for(length: int, columns: int) -> int:
    """Samples of each of at most `columns` stretches."""
    return max(1, -(-length // columns))


class Envelope:
    """Lowest and highest of stretches of `width` samples; NaN in a gap.

    Stretch k holds the samples `k * width` to `(k + 1) * width`. With a width of 1 both are the
    samples themselves.
    """

    def __init__(self, length: int, channels: int, width: int) -> None:
        self.length, self.width = length, width
        shape = (-(-length // width), channels)
        self.low, self.high = np.full(shape, np.nan), np.full(shape, np.nan)
        self.done = 0

    @property
    def place(self) -> np.ndarray:
        """The first sample of each stretch."""
        return np.arange(len(self.low)) * self.width

    def add(self, values: np.ndarray) -> None:
        """The next values `(n, channels)`."""
        if not len(values):
            return
        values = np.where(np.isfinite(values), values, np.nan)
        first, last = self.done // self.width, (self.done + len(values) - 1) // self.width
        edges = np.maximum(np.arange(first, last + 1) * self.width - self.done, 0)
        for kept, least in ((self.low, np.fmin), (self.high, np.fmax)):
            kept[first : last + 1] = least(kept[first : last + 1], least.reduceat(values, edges))
        self.done += len(values)

    def coarser(self, columns: int) -> "Envelope":
        """The same in at most `columns` stretches."""
        joined = width_for(len(self.low), columns)
        new = Envelope(self.length, self.low.shape[1], self.width * joined)
        edges = np.arange(0, len(self.low), joined)
        new.low = np.fmin.reduceat(self.low, edges)
        new.high = np.fmax.reduceat(self.high, edges)
        return new
