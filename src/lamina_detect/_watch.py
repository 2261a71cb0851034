"""A saved detector on samples as they come, with a state that survives being killed."""

import hashlib
import io
import json
import math
import os
import pathlib
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from lamina_detect._common import BadInput, atomic_write
from lamina_detect._line_reader import LineReader
from lamina_detect.model import BLOCK, Detector

# Seconds until samples that wait for a full block are scored and saved all the same: at once to
# people, and few runs of a block that is mostly empty.
PATIENCE = 0.1


class Watch:
    """Feed samples, get scores; save and load the state.

    Args:
        detector: A fitted `Detector`.
        block: Samples that are run together. Part of the state: another block, other rounding.
    """

    def __init__(self, detector: Detector, block: int = BLOCK) -> None:
        self.stream = detector.stream(block)
        self.leads = self.stream.leads
        self.done = 0
        self._mark = _fingerprint(detector, block)

    def push(self, samples: np.ndarray | Sequence[Sequence[float]]) -> np.ndarray:
        """Causal scores `(n, leads + 1)` of the next samples `(n, leads)`."""
        samples = np.asarray(samples, "float32").reshape(-1, self.leads)
        scores = self.stream.push(samples[None]).causal
        self.done += len(samples)
        return scores

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state; it is on the disk when this returns."""
        held = {f"state:{k}": np.asarray(v) for k, v in self.stream.state.items()}
        held |= {"done": np.asarray(self.done), "mark": np.asarray(self._mark)}
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **held)
        with atomic_write(pathlib.Path(path), durable=True) as temporary:
            temporary.write_bytes(buffer.getvalue())

    def load(self, path: str | os.PathLike[str]) -> None:
        """Go on from a saved state."""
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


def watch(
    model: str | os.PathLike[str],
    lines: Iterable[str],
    write: Callable[[str], object],
    state: str | os.PathLike[str] | None = None,
    block: int = BLOCK,
) -> None:
    """Read samples from `lines`, and `write` one JSON line for each, with its causal score.

    `{"ack": n}` comes first, and whenever the state file has gone on: everything before sample n is
    durable. Started again, send the samples from n on. What came is reported and saved within a
    tenth of a second, also while nothing more comes.
    """
    detector = Detector.load(model)
    watched = Watch(detector, block)
    if state is not None and pathlib.Path(state).exists():
        watched.load(state)
    threshold = math.inf if detector.threshold is None else detector.threshold
    session = _Session(watched, threshold, write, state)
    reader, due = LineReader(lines), None
    while (got := reader.take(due and max(0.0, due - time.monotonic()))) is not None:
        session.add(got)
        if due and time.monotonic() >= due:
            session.catch_up()
            due = None
        if session.behind and due is None:
            due = time.monotonic() + PATIENCE
    session.catch_up()


class _Session:
    """Lines in, lines out: full blocks at once, the rest when it is due."""

    def __init__(
        self,
        watched: Watch,
        threshold: float,
        write: Callable[[str], object],
        path: str | os.PathLike[str] | None,
    ) -> None:
        self.watched, self.threshold, self.write, self.path = watched, threshold, write, path
        self.rows: list[list[float]] = []
        self._acknowledge()

    @property
    def behind(self) -> bool:
        """Whether something is not reported, or not saved."""
        unsaved = self.path is not None and self.saved < self.watched.done
        return len(self.rows) > 0 or unsaved

    def add(self, lines: Iterable[str]) -> None:
        for line in lines:
            number = self.watched.done + len(self.rows)
            self.rows.append(_parsed(line, self.watched.leads, number))
            if (number + 1) % self.watched.stream.block == 0:
                self._report()

    def catch_up(self) -> None:
        """Report the samples that wait for a full block; save."""
        if self.rows:
            self._report()
        if self.path is not None and self.saved < self.watched.done:
            self.watched.save(self.path)
            self._acknowledge()

    def _report(self) -> None:
        first, scores = self.watched.done, self.watched.push(self.rows)
        self.rows = []
        self.write("".join(_lines(first, scores.tolist(), self.threshold)))

    def _acknowledge(self) -> None:
        self.saved = self.watched.done
        self.write(json.dumps({"ack": self.saved}) + "\n")


def _parsed(line: str, leads: int, sample: int) -> list[float]:
    fields = line.strip().strip("[]").split(",")
    try:
        values = [float(f) if f.strip() not in ("", "null") else math.nan for f in fields]
    except ValueError:
        raise BadInput(f"sample {sample}: not numbers: {line.strip()[:80]!r}") from None
    if len(values) != leads:
        raise BadInput(f"sample {sample}: {len(values)} numbers for {leads} leads")
    return values


def _lines(first: int, scores: list[list[float]], threshold: float) -> Iterator[str]:
    for sample, row in enumerate(scores, first):
        *leads, score = ("null" if math.isnan(v) else repr(v) for v in row)
        alarm = "true" if row[-1] >= threshold else "false"
        yield (
            f'{{"sample": {sample}, "score": {score}, "leads": [{", ".join(leads)}], '
            f'"alarm": {alarm}}}\n'
        )


def _fingerprint(detector: Detector, block: int) -> str:
    """Of the model with its weights, and of the cut."""
    digest = hashlib.sha256(f"{block} {sorted(detector.settings.items())}".encode())
    for weight in detector.scorer.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()
