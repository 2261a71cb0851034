"""Scores of samples as they come: the same bits, however the samples are cut."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import keras
import numpy as np

import lamina
from lamina_detect._common import BadInput

# Samples that are run together. It is a part of what a score is: products of other lengths round
# differently (docs/detection.md).
BLOCK = 4096


class Pushed(NamedTuple):
    """What `ScoreStream.push` gives, each `(samples, leads + 1)`.

    `causal`: of the samples that were pushed. `retrospective`: of those that are known now; they
    follow those of the last call.
    """

    causal: np.ndarray
    retrospective: np.ndarray


class ScoreStream:
    """The scoring model on samples as they come; what `Detector.stream` gives.

    Samples are run in canonical blocks, cut at multiples of `block` from the first sample on. Those
    that do not fill one wait for the rest of it, but are scored at once, by running the block
    filled up: what follows a sample does not change its score. So the scores are those of
    `Detector.score` to the bit, and one compiled function does all.

    Args:
        stream: The compiled model, samples to scores.
        block: Samples that are run together. Another block rounds differently.
        delay: Samples after which the retrospective score is known.
        used: Which of the leads the model takes, and how many there are.
    """

    def __init__(
        self, stream: lamina.Stream, block: int, delay: int, used: tuple[list[int], int]
    ) -> None:
        if block < 1:
            raise BadInput(f"`block` must be at least 1. Received: {block}")
        self.block, self.delay = block, delay
        self.used, self.leads = used
        self._stream = stream
        self.reset()

    def reset(self) -> None:
        """Start again, before the first sample."""
        self._stream.reset()
        self._waiting = np.zeros((0, len(self.used)), "float32")
        self._done = 0

    def push(self, samples: np.ndarray) -> Pushed:
        """The scores that are known after the next samples `(1, n, leads)`; n may be 0."""
        samples = np.asarray(samples, "float32")
        if samples.ndim != 3 or samples.shape[0] != 1 or samples.shape[2] != self.leads:
            raise ValueError(
                f"`samples` must have the shape (1, n, {self.leads}). Received: {samples.shape}"
            )
        causal, late = self._run(samples[0][:, self.used])[:2]
        return Pushed(causal, late)

    def finish(self) -> np.ndarray:
        """The retrospective scores that are still to come, if no more samples do.

        As if a gap followed. The stream stays where it is.
        """
        kept = self.state
        late = self._run(np.full((self.delay, len(self.used)), np.nan, "float32"))[1]
        self.load_state(kept)
        return late

    def parts(self, samples: np.ndarray) -> tuple[np.ndarray, ...]:
        """All outputs of the model for the next samples `(n, leads)`."""
        return self._run(samples[:, self.used].astype("float32"))

    def _run(self, samples: np.ndarray) -> tuple[np.ndarray, ...]:
        """Each output: the causal ones of `samples`, and every second one of `delay` before."""
        known, rows = len(self._waiting), np.concatenate([self._waiting, samples])
        outputs, complete = [], len(rows) - len(rows) % self.block
        for start in range(0, complete, self.block):
            outputs.append(_arrays(self._stream.push, rows[start : start + self.block]))
        self._waiting = rows[complete:]
        if not outputs or (len(self._waiting) and len(samples)):
            rest = len(self._waiting)
            filled = np.pad(self._waiting, ((0, self.block - rest), (0, 0)))
            outputs.append([y[:rest] for y in _arrays(self._stream.peek, filled)])
        before = max(0, min(self.delay - self._done, len(samples)))
        self._done += len(samples)
        joined = [np.concatenate(y)[known:] for y in zip(*outputs, strict=True)]
        return tuple(y[before if i % 2 else 0 :] for i, y in enumerate(joined))

    @property
    def state(self) -> dict[str, np.ndarray]:
        """A flat dict of NumPy arrays, for `np.savez(path, **stream.state)`."""
        own = {
            "block": np.asarray(self.block),
            "waiting": self._waiting.copy(),
            "done": np.asarray(self._done),
        }
        return {**self._stream.state, **own}

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from a `state`; refused if it is of another model or block."""
        rest = dict(state)
        block, waiting = rest.pop("block", None), rest.pop("waiting", None)
        if block is None or waiting is None or int(block) != self.block:
            raise ValueError(
                f"`state` must be that of a stream with a block of {self.block}. "
                f"Received: block={block}"
            )
        # Those of the first version have no delay, and do not count.
        done = int(rest.pop("done", 0))
        self._stream.load_state(rest)
        self._waiting = np.asarray(waiting, "float32").reshape(-1, len(self.used))
        self._done = done


def _arrays(run: Callable[[np.ndarray], object], rows: np.ndarray) -> list[np.ndarray]:
    found = run(rows[None])
    outputs = found if isinstance(found, list | tuple) else [found, found]
    return [np.asarray(keras.ops.convert_to_numpy(y))[0] for y in outputs]
