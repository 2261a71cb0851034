"""A saved detector on samples as they come, with a state that survives being killed."""

import hashlib
import io
import json
import math
import os
import pathlib
import time
import zipfile

import numpy as np

from lamina_detect._arrivals import Arrivals
from lamina_detect._detector import BLOCK, Detector
from lamina_detect._errors import BadInput

PATIENCE = 0.1


class Watch:
    """Feed samples, get scores; save and take up the state.

    Args:
        detector: A fitted `Detector`.
        block: Samples that are run together. Part of the state: another block, other rounding.
    """

    def __init__(self, detector, block=BLOCK):
        self.stream = detector.stream(block)
        self.leads = self.stream.leads
        self.done = 0
        self._mark = _fingerprint(detector, block)

    def push(self, samples):
        """Scores `(n, leads + 1)` of the next samples `(n, leads)`."""
        samples = np.asarray(samples, "float32").reshape(-1, self.leads)
        scores = self.stream.push(samples[None])[0]
        self.done += len(samples)
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

    `{"ack": n}` comes first, and whenever the state file has gone on: everything before sample n is
    durable. Started again, send the samples from n on. What came is told and saved within a tenth
    of a second, also while nothing more comes.
    """
    detector = Detector.load(model)
    watched = Watch(detector, block)
    if state is not None and pathlib.Path(state).exists():
        watched.load(state)
    session = _Session(watched, detector.settings.get("threshold", math.inf), write, state)
    arrivals, due = Arrivals(lines), None
    while (got := arrivals.take(due and max(0.0, due - time.monotonic()))) is not None:
        session.add(got)
        if due and time.monotonic() >= due:
            session.catch_up()
            due = None
        if session.behind and due is None:
            due = time.monotonic() + PATIENCE
    session.catch_up()


class _Session:
    """Lines in, lines out: whole blocks at once, the rest when it is due."""

    def __init__(self, watched, threshold, write, path):
        self.watched, self.threshold, self.write, self.path = watched, threshold, write, path
        self.rows = []
        self._acknowledge()

    @property
    def behind(self):
        """Whether something is not told, or not saved."""
        unsaved = self.path is not None and self.saved < self.watched.done
        return len(self.rows) > 0 or unsaved

    def add(self, lines):
        for line in lines:
            number = self.watched.done + len(self.rows)
            self.rows.append(_parsed(line, self.watched.leads, number))
            if (number + 1) % self.watched.stream.block == 0:
                self._tell()

    def catch_up(self):
        """Tell of the samples that wait for a whole block; save."""
        if self.rows:
            self._tell()
        if self.path is not None and self.saved < self.watched.done:
            self.watched.save(self.path)
            self._acknowledge()

    def _tell(self):
        first, scores = self.watched.done, self.watched.push(self.rows)
        self.rows = []
        self.write("".join(_lines(first, scores.tolist(), self.threshold)))

    def _acknowledge(self):
        self.saved = self.watched.done
        self.write(json.dumps({"ack": self.saved}) + "\n")


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
        *leads, score = ("null" if math.isnan(v) else repr(v) for v in row)
        alarm = "true" if row[-1] >= threshold else "false"
        yield (
            f'{{"sample": {sample}, "score": {score}, "leads": [{", ".join(leads)}], '
            f'"alarm": {alarm}}}\n'
        )


def _fingerprint(detector, block):
    """Of the model with its weights, and of the cut."""
    digest = hashlib.sha256(f"{block} {sorted(detector.settings.items())}".encode())
    for weight in detector.scorer.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()
