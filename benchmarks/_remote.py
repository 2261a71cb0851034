"""A peer with another runtime, in a process of its own that waits its turn.

The process is a module of `benchmarks._peers`: it makes its works and calls `serve`. Here, `Remote`
starts it and gives timers for its works, so that pairs are in turn across processes as well.
"""

import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from types import TracebackType

from benchmarks._pairs import Timer, timer
from benchmarks._report import ROOT


def serve(works: dict[str, Callable[[], object]], packages: Sequence[str], **facts: float) -> None:
    """Time a work each time that a line asks for it; `facts` were measured while starting."""
    versions = {name: importlib.metadata.version(name) for name in packages}
    print(json.dumps({"works": list(works), "versions": versions, "facts": facts}), flush=True)
    for line in sys.stdin:
        work, repeats = json.loads(line)
        print(timer(works[work], repeats)(), flush=True)


class Remote:
    """Starts `python -m benchmarks._peers.<module> <arguments>`, and ends it on leaving `with`.

    Attributes:
        versions: `{package: version}` of the peer.
        facts: What it measured while it started.
        missing: Why it does not run here; empty if it does.
    """

    def __init__(self, module: str, *arguments: object, python: str = sys.executable) -> None:
        command = [python, "-m", f"benchmarks._peers.{module}", *map(str, arguments)]
        self._errors = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        first = self._handshake()
        self.works: list[str] = first.get("works", [])
        self.versions: dict[str, str] = first.get("versions", {})
        self.facts: dict[str, float] = first.get("facts", {})
        self.missing = "" if first else self._reason()

    def _handshake(self) -> dict:
        """The first line of `serve`; some libraries print others before, when they are imported."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith('{"works"'):
                return json.loads(line)
        return {}

    def _reason(self) -> str:
        error = self._last_error()
        missing = "not installed" if "ModuleNotFoundError" in error else "does not run here"
        return f"{missing} ({error})"

    def _last_error(self) -> str:
        self._process.wait()
        self._errors.seek(0)
        return (self._errors.read().strip().splitlines() or ["no error message"])[-1]

    def timer(self, work: str, repeats: int = 1) -> Timer:
        """Seconds of one of the process' works, the mean of `repeats` in a row."""
        if self.missing:
            raise RuntimeError(f"No process for {work!r}: {self.missing}")
        assert self._process.stdin is not None and self._process.stdout is not None
        stdin, stdout = self._process.stdin, self._process.stdout

        def seconds() -> float:
            stdin.write(json.dumps([work, repeats]) + "\n")
            stdin.flush()
            if line := stdout.readline():
                return float(line)
            raise RuntimeError(f"The process of {work!r} ended: {self._last_error()}")

        return seconds

    def __enter__(self) -> "Remote":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()  # the end of its input ends it
        self._errors.close()
