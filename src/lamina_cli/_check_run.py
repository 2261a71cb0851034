"""One target on one backend, through as many worker processes as it takes.

A worker may crash or hang: this side imports neither keras nor lamina, notes which contract was
running and in which mode, and goes on with the next one in a new process. The last worker is given
what the earlier ones found, and makes the reports.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

# Seconds more than a contract's for the import of a backend and of the layer's own module.
IMPORT = 120


class Run:
    """One target on one backend.

    Attributes:
        error: Why the target could not be run at all; empty when it could.
        notes: What was not checked, and why.
        finished: (report, its text, a script or None) of each layer.
    """

    def __init__(
        self,
        job: dict[str, Any],
        backend: str,
        timeout: float,
        progress: Callable[[str, int, int], object] | None = None,
    ) -> None:
        self.job, self.backend, self.timeout = job, backend, timeout
        self.progress = progress or (lambda what, done, of: None)
        self.error = ""
        self.notes: dict[str, None] = {}
        self.finished: list[tuple[dict[str, Any], str, str | None]] = []
        # Of the present worker: which layer is open, which contract of it runs, in which mode.
        self._opening: tuple[int, str] | None = None
        self._running: tuple[int, str] | None = None
        self._mode: str | None = None
        # Of all workers, by the layer's number.
        self._results: dict[int, list[dict[str, Any]]] = {}
        self._avoid: dict[int, list[str]] = {}
        self._skip: list[int] = []

    def run(self) -> None:
        """Starts workers until one gets through."""
        while True:
            code = self._work({
                **self.job,
                "results": self._results,
                "avoid": self._avoid,
                "skip": self._skip,
            })  # fmt: skip
            if self.error or code == 0:
                return
            if self._running is not None:
                layer, contract = self._running
                self._results.setdefault(layer, []).append(self._crashed(contract, code))
                if self._mode:
                    self._avoid.setdefault(layer, []).append(self._mode)
            elif self._opening is not None:
                number, name = self._opening
                self._skip.append(number)
                self.notes[f"{name} was not checked: its first call {self._why(code)}"] = None
            else:
                self.error = f"the worker process {self._why(code)} before any layer was made"
                return

    def _why(self, code: int | None) -> str:
        if code is None:
            return f"did not return within {self._allowed():g} s"
        return f"killed its process (exit code {code})"

    def _allowed(self) -> float:
        """Importing a backend takes long, and is not the layer's fault."""
        return self.timeout + (0 if self._running else IMPORT)

    def _crashed(self, contract: str, code: int | None) -> dict[str, Any]:
        """The result of a contract that did not come back: `code` None where it hung."""
        return {
            "contract": contract,
            "status": "crashed",
            "message": f"the layer {self._why(code)}{f' in {self._mode}' if self._mode else ''}",
            "means": "it would take the whole training run with it",
            "hint": "look for a loop without an end, an exit, or native code; --timeout gives more "
            "time",
            "seconds": time.monotonic() - self._started,
        }

    def _work(self, job: dict[str, Any]) -> int | None:
        """Runs a worker; its exit code, or None when a contract took too long."""
        self._running = self._opening = self._mode = None
        self.finished = []
        environment = {**os.environ, "KERAS_BACKEND": self.backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment.setdefault("JAX_ENABLE_X64", "1")
        reader, writer = os.pipe()
        with tempfile.TemporaryFile() as file:
            file.write(json.dumps(job).encode())
            file.seek(0)
            worker = subprocess.Popen(
                [sys.executable, "-m", "lamina_cli._check_worker", str(writer)],
                stdin=file,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                pass_fds=[writer],
            )
        os.close(writer)
        self._started = time.monotonic()
        listener = threading.Thread(target=self._listen, args=(reader,), daemon=True)
        listener.start()
        while worker.poll() is None:
            time.sleep(0.05)
            if time.monotonic() - self._started > self._allowed():
                worker.kill()
                worker.wait()
                listener.join()
                return None
        listener.join()
        return worker.returncode

    def _listen(self, reader: int) -> None:
        with os.fdopen(reader) as lines:
            for line in lines:
                self._note(json.loads(line))

    def _note(self, message: dict[str, Any]) -> None:
        if "mode" in message:
            self._mode = message["mode"]
            return
        self._started = time.monotonic()
        if "error" in message:
            self.error = message["error"]
        elif "note" in message:
            self.notes[message["note"]] = None
        elif "opening" in message:
            self._opening = (message["number"], message["opening"])
            self.progress(message["opening"], 0, 1)
        elif "started" in message:
            self._running = (message["number"], message["started"])
            name = self._opening[1] if self._opening else ""
            self.progress(f"{name} {message['started']}", message["place"], message["of"])
        elif "result" in message:
            self._results.setdefault(message["number"], []).append(message["result"])
            self._running = None
        else:
            self.finished.append((message["report"], message["text"], message["script"]))
