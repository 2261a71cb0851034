"""A saved detector on samples as they come, with a state that survives being killed.

Samples are run in canonical blocks, cut at multiples of `block` from the first sample on: the same
samples give the same bits, however they arrive and however often the program was started anew.
"""

import hashlib
import io
import json
import math
import os
import pathlib
import zipfile

import keras
import numpy as np

from lamina_detect._detector import Detector
from lamina_detect._errors import BadInput

BLOCK = 256


class Watch:
    """Feed samples, get scores; save and take up the state.

    Args:
        detector: A fitted `Detector`.
        block: Samples that are run together. Part of the state: another cut, other rounding.
    """

    def __init__(self, detector, block=BLOCK):
        if block < 1:
            raise BadInput(f"`block` must be at least 1. Received: {block}")
        self.stream = detector.stream(jit_compile=True)
        self.leads = len(detector.settings["leads"])
        self.block = block
        self.done = 0
        self._mark = _fingerprint(detector, block)

    def push(self, samples):
        """Scores `(n, leads + 1)` of at most a block of samples `(n, leads)`, from `done` on.

        The stream goes on only after a whole block: fewer samples are the end of the input.
        """
        samples = np.asarray(samples, "float32").reshape(-1, self.leads)
        count = len(samples)
        padded = np.pad(samples, ((0, self.block - count), (0, 0)))
        scores = keras.ops.convert_to_numpy(self.stream.push(padded[None]))[0, :count]
        self.done += count
        return scores

    def save(self, path):
        """Write the state; it is on the disk when this returns."""
        path = pathlib.Path(path)
        held = {f"state:{k}": np.asarray(v) for k, v in self.stream.state.items()}
        buffer = io.BytesIO()
        np.savez(buffer, done=self.done, mark=self._mark, **held)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with temporary.open("wb") as file:
                file.write(buffer.getvalue())
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise BadInput(f"{path}: cannot be written: {error.strerror or error}") from None
        finally:
            temporary.unlink(missing_ok=True)

    def load(self, path):
        """Take up a saved state."""
        try:
            with np.load(path, allow_pickle=False) as held:
                mark, done = str(held["mark"]), int(held["done"])
                state = {k.removeprefix("state:"): held[k] for k in held if k.startswith("state:")}
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
            raise BadInput(f"{path}: not a state file: {error}") from None
        if mark != self._mark:
            raise BadInput(f"{path}: the state of another model, or of another block size")
        try:
            self.stream.load_state(state)
        except (ValueError, TypeError, KeyError) as error:
            raise BadInput(f"{path}: {error}") from None
        self.done = done


def watch(model, lines, write, state=None, block=BLOCK):
    """Read samples from `lines`, and `write` one JSON line for each.

    First, and after every block once the state file holds it, `{"ack": n}`: everything before
    sample n is durable. Started again, send the samples from n on.
    """
    detector = Detector.load(model)
    watched = Watch(detector, block)
    threshold = detector.settings.get("threshold", math.inf)
    if state is not None and pathlib.Path(state).exists():
        watched.load(state)
    write(json.dumps({"ack": watched.done}) + "\n")
    for rows in _blocks(lines, watched.leads, block, watched.done):
        first = watched.done
        scores = watched.push(rows)
        write("".join(_lines(first, scores.tolist(), threshold)))
        if len(rows) == block and state is not None:
            watched.save(state)
            write(json.dumps({"ack": watched.done}) + "\n")


def _blocks(lines, leads, block, first):
    rows = []
    for number, line in enumerate(lines):
        rows.append(_parsed(line, leads, first + number))
        if len(rows) == block:
            yield rows
            rows = []
    if rows:
        yield rows


def _parsed(line, leads, sample):
    fields = line.strip().strip("[]").split(",")
    try:
        values = [float(f) if f.strip() not in ("", "null") else math.nan for f in fields]
    except ValueError:
        raise BadInput(f"sample {sample}: not numbers: {line.strip()[:80]!r}") from None
    if len(values) != leads:
        raise BadInput(f"sample {sample}: {len(values)} numbers for {leads} leads")
    return values


def _lines(first, scores, threshold):
    for sample, row in enumerate(scores, first):
        shown = ", ".join("null" if math.isnan(v) else repr(v) for v in row[:-1])
        together = row[-1]
        score = "null" if math.isnan(together) else repr(together)
        alarm = "true" if together >= threshold else "false"
        yield f'{{"sample": {sample}, "score": {score}, "leads": [{shown}], "alarm": {alarm}}}\n'


def _fingerprint(detector, block):
    """Of the model with its weights, and of the cut."""
    digest = hashlib.sha256(f"{block} {sorted(detector.settings.items())}".encode())
    for weight in detector.scorer.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()
