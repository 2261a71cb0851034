"""A saved detector on samples as they come, with a state that survives being killed."""

import hashlib
import io
import json
import os
import pathlib
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina_detect._common import BadInput, atomic_write
from lamina_detect.model import BLOCK, Detector


class Watch:
    """Feed samples, get scores; save and load the state.

    Args:
        detector: A fitted `Detector`.
        block: Samples that are run together. Part of the state: another block, other rounding.

    `done`: samples so far. `session`: plain JSON that is kept with the state. `mark`: of the model
    with its weights, and of the block.
    """

    def __init__(self, detector: Detector, block: int = BLOCK) -> None:
        self.stream = detector.stream(block)
        self.leads = self.stream.leads
        self.done = 0
        self.session: dict[str, Any] = {}
        self.mark = _fingerprint(detector, block)

    def push(self, samples: np.ndarray | Sequence[Sequence[float]]) -> np.ndarray:
        """Causal scores `(n, leads + 1)` of the next samples `(n, leads)`."""
        samples = np.asarray(samples, "float32").reshape(-1, self.leads)
        scores = self.stream.push(samples[None]).causal
        self.done += len(samples)
        return scores

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state; it is on the disk when this returns."""
        held = {f"state:{k}": np.asarray(v) for k, v in self.stream.state.items()}
        held |= {"done": np.asarray(self.done), "mark": np.asarray(self.mark)}
        held["session"] = np.asarray(json.dumps(self.session))
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **held)
        with atomic_write(pathlib.Path(path), durable=True) as temporary:
            temporary.write_bytes(buffer.getvalue())

    def load(self, path: str | os.PathLike[str]) -> None:
        """Go on from a saved state."""
        try:
            with np.load(path, allow_pickle=False) as held:
                mark, done = str(held["mark"]), int(held["done"])
                # Those of the first version have none.
                session = json.loads(str(held["session"])) if "session" in held else {}
                state = {k.removeprefix("state:"): held[k] for k in held if k.startswith("state:")}
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
            raise BadInput(f"{path}: not a state file: {error}") from None
        if mark != self.mark:
            raise BadInput(f"{path}: the state of another model, or of another block size")
        try:
            self.stream.load_state(state)
        except (ValueError, TypeError, KeyError) as error:
            raise BadInput(f"{path}: {error}") from None
        self.done, self.session = done, session


def _fingerprint(detector: Detector, block: int) -> str:
    """Of the model with its weights, and of the cut."""
    digest = hashlib.sha256(f"{block} {sorted(detector.settings.items())}".encode())
    for weight in detector.scorer.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()
