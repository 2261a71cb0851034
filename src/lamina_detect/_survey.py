"""What the results need of a scored recording of any length, gathered block by block."""

import numpy as np

from lamina_detect._scale import runs

COLUMNS = 1200
SHORTEST_STILL = 4


class Survey:
    """Feed blocks of samples and scores; its size grows with the windows, not with the samples.

    Args:
        leads: Their names.
        length: Samples a lead, in all.
        window: Of the detector.
    """

    def __init__(self, leads, length, window):
        self.leads, self.length, self.window = tuple(leads), length, window
        self.highest = Highest(window)
        self.signal = Envelope(length, len(self.leads))
        self.score = Envelope(length, 1)
        self.still = [Still(max(SHORTEST_STILL, window // 4)) for _ in self.leads]
        self.gaps = [Gaps() for _ in self.leads]

    def add(self, samples, values):
        """The next samples `(n, leads)` and their scores `(n, leads + 1)`."""
        self.highest.add(values[:, -1])
        self.signal.add(samples)
        self.score.add(values[:, -1:])
        for lead in range(len(self.leads)):
            self.gaps[lead].add(~np.isfinite(samples[:, lead]))
            self.still[lead].add(samples[:, lead], values[:, lead])

    def close(self):
        """The recording ends here. Returns the survey."""
        self.highest.close()
        for part in (*self.gaps, *self.still):
            part.close()
        return self


class Highest:
    """The highest score of each stretch of one window, and where it is; 0 in a gap."""

    def __init__(self, window):
        self.window = window
        self.rest = np.zeros(0)
        self.heights, self.places = [], []
        self.stretches = 0

    def add(self, score):
        joined = np.concatenate([self.rest, np.nan_to_num(score, nan=0.0)])
        count = len(joined) // self.window
        self._take(joined[: count * self.window].reshape(count, self.window))
        self.rest = joined[count * self.window :]

    def _take(self, rows):
        best = rows.argmax(1)
        self.heights.append(rows[np.arange(len(rows)), best])
        self.places.append(best + (self.stretches + np.arange(len(rows))) * self.window)
        self.stretches += len(rows)

    def close(self):
        self.whole = self.stretches
        if len(self.rest):
            self._take(np.pad(self.rest, (0, self.window - len(self.rest)))[None])
        self.heights = np.concatenate([np.zeros(0), *self.heights])
        self.places = np.concatenate([np.zeros(0, int), *self.places])


class Envelope:
    """Lowest and highest of at most `COLUMNS` stretches: what a picture can show; NaN in a gap."""

    def __init__(self, length, channels):
        self.width = max(1, -(-length // COLUMNS))
        shape = (-(-length // self.width), channels)
        self.low, self.high = np.full(shape, np.nan), np.full(shape, np.nan)
        self.place = np.arange(shape[0]) * self.width
        self.done = 0

    def add(self, values):
        if not len(values):
            return
        values = np.where(np.isfinite(values), values, np.nan)
        first, last = self.done // self.width, (self.done + len(values) - 1) // self.width
        edges = np.maximum(np.arange(first, last + 1) * self.width - self.done, 0)
        for kept, least in ((self.low, np.fmin), (self.high, np.fmax)):
            kept[first : last + 1] = least(kept[first : last + 1], least.reduceat(values, edges))
        self.done += len(values)


class Gaps:
    """Stretches without samples: `found` holds `(start, end)`."""

    def __init__(self):
        self.found, self.open, self.done = [], None, 0

    def add(self, missing):
        if not len(missing):
            return
        if self.open is not None and not missing[0]:
            self.close()
        for start, end in zip(*runs(missing), strict=True):
            if self.open is None:
                self.open = self.done + int(start)
            if end < len(missing):
                self.found.append((self.open, self.done + int(end)))
                self.open = None
        self.done += len(missing)

    def close(self):
        if self.open is not None:
            self.found.append((self.open, self.done))
            self.open = None


class Still:
    """Stretches of at least `shortest` equal steps, and the lead's range.

    `found` holds `(start, end, value, place, height, silent)`: the samples, their value, where the
    lead's score is highest there and how high, and whether it was held at 0 somewhere.
    """

    def __init__(self, shortest):
        self.shortest = shortest
        self.found, self.open, self.done = [], None, 0
        self.before, self.score = np.nan, np.zeros(1)
        self.low, self.high = np.nan, np.nan

    def add(self, x, score):
        if not len(x):
            return
        there = x[np.isfinite(x)]
        if len(there):
            self.low = np.fmin(self.low, there.min())
            self.high = np.fmax(self.high, there.max())
        joined = np.concatenate([self.score, score])
        same = np.diff(np.concatenate([[self.before], x]).astype(x.dtype)) == 0
        if self.open is not None and not same[0]:
            self._finish()
        starts, ends = runs(same)
        matter = (ends - starts >= self.shortest) | (starts == 0) | (ends == len(x))
        for start, end in zip(starts[matter], ends[matter], strict=True):
            if start == 0 and self.open is not None:
                self._widen(joined, 0, int(end))
            else:
                self.open = [self.done + int(start) - 1, 0, x[start], -1, np.nan, False]
                self._widen(joined, int(start) - 1, int(end))
            if end < len(x):
                self._finish()
        self.before, self.score = x[-1], score[-1:]
        self.done += len(x)

    def _widen(self, joined, start, end):
        """The stretch goes on from sample `start` of the block, -1 being the one before it."""
        part = joined[start + 1 : end + 1]
        there = np.flatnonzero(np.isfinite(part))
        self.open[1] = self.done + end
        if len(there):
            best = there[part[there].argmax()]
            if not self.open[4] >= part[best]:
                self.open[3:5] = [self.done + start + int(best), float(part[best])]
            self.open[5] |= bool((part[there] == 0).any())

    def _finish(self):
        start, end = self.open[:2]
        if end - start > self.shortest:
            self.found.append(tuple(self.open))
        self.open = None

    def close(self):
        if self.open is not None:
            self._finish()
