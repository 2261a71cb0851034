"""Scores of samples as they come: the same bits, however the samples are cut."""

from collections.abc import Callable, Mapping

import keras
import numpy as np

import lamina
from lamina_detect._common import BadInput


class ScoreStream:
    """The scoring model on samples as they come; what `Detector.stream` gives.

    Samples are run in canonical blocks, cut at multiples of `block` from the first sample on. Those
    that do not fill one wait for the rest of it, but are scored at once, by running the block
    filled up: what follows a sample does not change its score. So the scores are those of
    `Detector.score` to the bit, and one compiled function does all.

    Args:
        scorer: The scoring model, samples to scores.
        block: Samples that are run together. Another block rounds differently.
    """

    def __init__(self, scorer: keras.Model, block: int) -> None:
        if block < 1:
            raise BadInput(f"`block` must be at least 1. Received: {block}")
        self.block = block
        self.leads: int = scorer.inputs[0].shape[-1]
        self._stream = lamina.Stream(scorer, jit_compile=True)
        self.reset()

    def reset(self) -> None:
        """Start again, before the first sample."""
        self._stream.reset()
        self._waiting = np.zeros((0, self.leads), "float32")

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Scores `(1, n, leads + 1)` of the next samples `(1, n, leads)`; n may be 0."""
        samples = np.asarray(samples, "float32")
        if samples.ndim != 3 or samples.shape[0] != 1 or samples.shape[2] != self.leads:
            raise ValueError(
                f"`samples` must have the shape (1, n, {self.leads}). Received: {samples.shape}"
            )
        known, rows = len(self._waiting), np.concatenate([self._waiting, samples[0]])
        scores = [np.zeros((0, self.leads + 1), "float32")]
        complete = len(rows) - len(rows) % self.block
        for start in range(0, complete, self.block):
            scores.append(_run(self._stream.push, rows[start : start + self.block]))
        self._waiting = rows[complete:]
        if len(self._waiting) and samples.shape[1]:
            filled = np.pad(self._waiting, ((0, self.block - len(self._waiting)), (0, 0)))
            scores.append(_run(self._stream.peek, filled)[: len(self._waiting)])
        return np.concatenate(scores)[None, known:]

    @property
    def state(self) -> dict[str, np.ndarray]:
        """A flat dict of NumPy arrays, for `np.savez(path, **stream.state)`."""
        own = {"block": np.asarray(self.block), "waiting": self._waiting.copy()}
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
        self._stream.load_state(rest)
        self._waiting = np.asarray(waiting, "float32").reshape(-1, self.leads)


def _run(stream: Callable[[np.ndarray], object], rows: np.ndarray) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(stream(rows[None])))[0]
