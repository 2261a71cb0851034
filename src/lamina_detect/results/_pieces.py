"""What of a recording stands in its page: pieces of one resolution each, quantised.

The whole recording in stretches, with the lowest and the highest of each; around the events finer
stretches and every sample. A recording that is short enough stands there with every sample.
"""

import base64
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from lamina_detect.results._envelopes import Envelope
from lamina_detect.results._view import View

# Of the page's 3 MB: as text they are a third more, and the rest of the page takes 0.8 MB at most.
BUDGET = 1_600_000
# Of it: the whole recording, and finer stretches around events; the rest is every sample there.
WHOLE, FINER = 0.5, 0.15
# Values of one envelope that are held while it is gathered, whatever the number of leads.
MOST_HELD = 4_000_000
# Leads that are drawn: more are no picture for people.
MOST_LEADS = 32
# Windows on either side of an event that stand in the page with every sample, if they fit; and at
# most this part of what there is for all of them.
WINDOWS_AROUND, PART_OF_BUDGET = 14, 0.1
# Below this many samples a stretch, nothing between it and every sample is worth its bytes.
MIN_WIDTH_FOR_FINER = 32
# Steps of 16 bits, one being kept for "no sample".
STEPS, NO_VALUE = 65_000, -32_768
# A score s is kept as log(1 + s) in steps of this: 0.02 % of s + 1.
SCORE_STEP, NO_SCORE = 2e-4, 65_535


@dataclasses.dataclass(frozen=True)
class Scale:
    """value = offset + step * number, with 16 bits."""

    offset: float
    step: float

    def numbers(self, values: np.ndarray) -> np.ndarray:
        scaled = np.rint((np.nan_to_num(values) - self.offset) / self.step)
        held = np.clip(scaled, -STEPS // 2, STEPS // 2)
        return np.where(np.isfinite(values), held, NO_VALUE).astype("<i2")


@dataclasses.dataclass(frozen=True)
class Piece:
    """Stretches of `width` samples from `start` on: `low`, `high` `(n, leads)`, `score` `(n, 2)`.

    With a width of 1, `high` is `low`.
    """

    start: int
    width: int
    low: np.ndarray
    high: np.ndarray
    score: np.ndarray

    def packed(self, scales: Sequence[Scale]) -> dict[str, Any]:
        """As the page holds it."""
        ends = (self.low,) if self.width == 1 else (self.low, self.high)
        signal = [
            [text_of(scale.numbers(end[:, lead])) for end in ends]
            for lead, scale in enumerate(scales)
        ]
        score = [text_of(score_numbers(column)) for column in self.score.T]
        count = len(self.low)
        return dict(start=self.start, width=self.width, count=count, signal=signal, score=score)


def score_numbers(score: np.ndarray) -> np.ndarray:
    """Scores as 16 bits: of equal steps of their logarithm, since only ratios of them matter."""
    scaled = np.rint(np.log1p(np.maximum(np.nan_to_num(score), 0)) / SCORE_STEP)
    return np.where(np.isfinite(score), np.minimum(scaled, NO_SCORE - 1), NO_SCORE).astype("<u2")


def text_of(numbers: np.ndarray) -> str:
    """The bytes of an array, as text."""
    return base64.b64encode(np.ascontiguousarray(numbers).tobytes()).decode("ascii")


def columns_for(leads: int, length: int) -> int:
    """Stretches that the envelope of a recording of `leads` leads may have."""
    shown = min(leads, MOST_LEADS)
    if (2 * shown + 4) * length <= BUDGET and leads * length <= MOST_HELD:
        return length
    return max(1, min(int(WHOLE * BUDGET / (4 * shown + 4)), MOST_HELD // leads))


def scales_of(view: View, leads: Sequence[int]) -> list[Scale]:
    """The finest scale of each lead that holds its range: the file's own steps, where they do."""
    signal, packing = view.summary.signal, view.recording.packing
    names = list(view.recording.leads)
    scales = []
    for lead in leads:
        # NaN, and no warning, where a lead has no sample at all.
        low, high = np.fmin.reduce(signal.low[:, lead]), np.fmax.reduce(signal.high[:, lead])
        low, high = (low, high) if np.isfinite(low) else (0.0, 0.0)
        span = high - low
        step = span / STEPS if span > 0 else 1.0
        if packing is not None:
            own = 1 / packing.gain[names.index(view.summary.leads[lead])]
            step = own if span <= own * STEPS else step
        scales.append(Scale(float(np.rint((low + high) / 2 / step) * step), float(step)))
    return scales


def pieces_of(view: View, peaks: Sequence[int], leads: Sequence[int]) -> Iterator[Piece]:
    """The whole recording, then what is finer around `peaks`, the first ones first served."""
    signal, score = view.summary.signal, view.summary.score
    yield Piece(0, signal.width, signal.low[:, leads], signal.high[:, leads], score.high)
    width = signal.width
    if width == 1:
        return
    middle = round(width**0.5) if width >= MIN_WIDTH_FOR_FINER else 0
    part = FINER if middle else 0.0
    stretches = part * BUDGET / (4 * len(leads) + 4)
    samples = (1 - WHOLE - part) * BUDGET / (2 * len(leads) + 4)
    around = 2 * WINDOWS_AROUND * view.summary.window
    for each, room in ((middle, stretches), (1, samples)):
        if each:
            count = int(min(around, max(PART_OF_BUDGET * room, 64)))
            for start, stop in _around(peaks, count * each, int(room) * each, signal.length):
                start -= start % each
                yield _piece(view, start, stop, each, leads)


def _around(peaks: Sequence[int], span: int, room: int, length: int) -> list[tuple[int, int]]:
    """Stretches of `span` samples around as many of `peaks` as there is `room` for, joined."""
    chosen: list[tuple[int, int]] = []
    for peak in peaks:
        start = min(max(0, peak - span // 2), max(0, length - span))
        joined = _joined([*chosen, (start, min(length, start + span))])
        if sum(stop - start for start, stop in joined) > room:
            break
        chosen = joined
    return chosen


def _joined(stretches: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(stretches):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined


def _piece(view: View, start: int, stop: int, width: int, leads: Sequence[int]) -> Piece:
    recording = view.recording
    names = list(recording.leads)
    columns = [names.index(view.summary.leads[lead]) for lead in leads]
    samples = recording.read(start, stop)[:, columns]
    causal = view.causal(start, stop)
    together = np.stack([view.values(start, stop)[:, -1], causal], 1)
    signal, score = (Envelope(len(samples), n, width) for n in (len(leads), 2))
    signal.add(samples)
    score.add(together)
    return Piece(start, width, signal.low, signal.high, score.high)
