"""What the results need of a scored recording of any length, gathered block by block."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from lamina_detect._common import runs
from lamina_detect.results._envelopes import COLUMNS, Envelope, width_for

# A stretch of one value is looked at from a quarter of a window on: shorter ones are as often
# plateaus of the signal; and from 4 equal steps, since coarse digits repeat.
MIN_CONSTANT, CONSTANT_OF_WINDOW = 4, 4


class Summary:
    """Feed blocks of samples and scores; its size grows with the windows, not with the samples.

    Args:
        leads: Their names.
        length: Samples per lead, in all.
        window: Of the detector.
        columns: Stretches of the envelopes.
    """

    def __init__(
        self, leads: Sequence[str], length: int, window: int, columns: int = COLUMNS
    ) -> None:
        self.leads, self.length, self.window = tuple(leads), length, window
        self.maxima = BlockMaxima(window)
        width = width_for(length, columns)
        self.signal = Envelope(length, len(self.leads), width)
        # Retrospective and causal.
        self.score = Envelope(length, 2, width)
        self.constant = [
            ConstantRuns(max(MIN_CONSTANT, window // CONSTANT_OF_WINDOW)) for _ in self.leads
        ]
        self.gaps = [Gaps() for _ in self.leads]

    def add(
        self, samples: np.ndarray, values: np.ndarray, causal: np.ndarray | None = None
    ) -> None:
        """The next samples `(n, leads)`, their scores `(n, leads + 1)` and causal ones `(n,)`."""
        self.maxima.add(values[:, -1])
        self.signal.add(samples)
        causal = np.full(len(values), np.nan) if causal is None else causal
        self.score.add(np.stack([values[:, -1], causal], 1))
        for lead in range(len(self.leads)):
            self.gaps[lead].add(~np.isfinite(samples[:, lead]))
            self.constant[lead].add(samples[:, lead], values[:, lead])

    def close(self) -> "Summary":
        """The recording ends here. Returns the summary."""
        self.maxima.close()
        for part in (*self.gaps, *self.constant):
            part.close()
        return self


class BlockMaxima:
    """The highest score of each stretch of one window, and where it is; 0 in a gap.

    `heights` and `places` are there after `close`; the first `complete` stretches are full ones.
    """

    def __init__(self, window: int) -> None:
        self.window = window
        self.heights, self.places = np.zeros(0), np.zeros(0, int)
        self.complete = 0
        self._rest = np.zeros(0)
        self._parts: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, score: np.ndarray) -> None:
        """The next scores."""
        joined = np.concatenate([self._rest, np.nan_to_num(score, nan=0.0)])
        count = len(joined) // self.window
        self._take(joined[: count * self.window].reshape(count, self.window))
        self._rest = joined[count * self.window :]
        self.complete += count

    def _take(self, rows: np.ndarray) -> None:
        best, number = rows.argmax(1), np.arange(len(rows))
        self._parts.append((rows[number, best], best + (self.complete + number) * self.window))

    def close(self) -> None:
        """No more scores come; the last stretch may be a short one."""
        if len(self._rest):
            self._take(np.pad(self._rest, (0, self.window - len(self._rest)))[None])
        heights, places = zip((self.heights, self.places), *self._parts, strict=True)
        self.heights, self.places = np.concatenate(heights), np.concatenate(places)


class Gaps:
    """Stretches without samples: `found` holds `(start, end)`."""

    def __init__(self) -> None:
        self.found: list[tuple[int, int]] = []
        self.open: int | None = None
        self.done = 0

    def add(self, missing: np.ndarray) -> None:
        """Whether each of the next samples is missing."""
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

    def close(self) -> None:
        """The stretch that is open ends here."""
        if self.open is not None:
            self.found.append((self.open, self.done))
            self.open = None


@dataclasses.dataclass
class ConstantRun:
    """Samples `start` to `end` (exclusive) of one `value`.

    `place` is where the lead's score is highest there, and `height` how high: -1 and NaN where
    there is no score. `gated`: whether it was held at 0 somewhere.
    """

    start: int
    end: int
    value: float
    place: int = -1
    height: float = float("nan")
    gated: bool = False


class ConstantRuns:
    """Stretches of at least `shortest` equal steps (`found`), and the lead's range."""

    def __init__(self, shortest: int) -> None:
        self.shortest = shortest
        self.found: list[ConstantRun] = []
        self.open: ConstantRun | None = None
        self.done = 0
        self.before, self.score = np.nan, np.zeros(1)
        self.low, self.high = np.nan, np.nan

    def add(self, x: np.ndarray, score: np.ndarray) -> None:
        """The next samples and the lead's score there."""
        if not len(x):
            return
        there = x[np.isfinite(x)]
        if len(there):
            self.low = np.fmin(self.low, there.min())
            self.high = np.fmax(self.high, there.max())
        joined = np.concatenate([self.score, score])
        same = np.diff(np.concatenate([[self.before], x]).astype(x.dtype)) == 0
        if not same[0]:
            self.close()
        starts, ends = runs(same)
        matter = (ends - starts >= self.shortest) | (starts == 0) | (ends == len(x))
        for start, end in zip(starts[matter], ends[matter], strict=True):
            # One equal step joins two samples: the run begins with the one before.
            begin = int(start) - 1
            if start == 0 and self.open is not None:
                run, begin = self.open, 0
            else:
                run = self.open = ConstantRun(self.done + begin, 0, x[start])
            self._widen(run, joined, begin, int(end))
            if end < len(x):
                self.close()
        self.before, self.score = x[-1], score[-1:]
        self.done += len(x)

    def _widen(self, run: ConstantRun, joined: np.ndarray, start: int, end: int) -> None:
        """The run goes on from sample `start` of the block, -1 being the one before it."""
        part = joined[start + 1 : end + 1]
        there = np.flatnonzero(np.isfinite(part))
        run.end = self.done + end
        if len(there):
            best = there[part[there].argmax()]
            if not run.height >= part[best]:
                run.place, run.height = self.done + start + int(best), float(part[best])
            run.gated |= bool((part[there] == 0).any())

    def close(self) -> None:
        """The run that is open ends here."""
        if self.open is not None and self.open.end - self.open.start > self.shortest:
            self.found.append(self.open)
        self.open = None
