"""`lamina check`: holds layers to their contracts, each backend in a process of its own.

The work is done by `_check_worker`, which may crash or hang: this side imports neither keras nor
lamina, notes which contract was running, and goes on with the next one in a new process. The last
worker is given what the earlier ones found, and makes the report.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Annotated, Any
from xml.sax.saxutils import quoteattr

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

BACKENDS = ("tensorflow", "jax", "torch")
# Every other status makes a layer fail.
STYLES = {"passed": "green", "skipped": "dim", "advice": "yellow", "expected": "yellow"}


def check(
    target: Annotated[
        str, typer.Argument(help="module:Class, module:factory, file.py:Class, or model.keras")
    ],
    kwargs: Annotated[str, typer.Option(help="constructor arguments, as JSON")] = "{}",
    inputs: Annotated[
        str | None,
        typer.Option(help="sample: float32(3,10,4), [float32(3,4),int32(3)], or a .npy/.npz file"),
    ] = None,
    traits: Annotated[str, typer.Option(help="declared traits, as JSON")] = "{}",
    contracts: Annotated[
        str | None, typer.Option(help="ids or groups, e.g. dtype.*,shape.*")
    ] = None,
    backends: Annotated[str | None, typer.Option(help="e.g. tensorflow,jax,torch")] = None,
    fast: Annotated[bool, typer.Option("--fast", help="leave out the slow contracts")] = False,
    timeout: Annotated[float, typer.Option(help="seconds that one contract may take")] = 120.0,
    as_json: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
    junit: Annotated[Path | None, typer.Option(help="write a JUnit XML file")] = None,
) -> None:
    """Is this layer right? Exit code 0: clean, 1: something is broken, 2: could not run."""
    names = _backends(backends)
    job = {"target": target, "inputs": inputs, "fast": fast, "contracts": contracts}
    job |= {"kwargs": _json("--kwargs", kwargs), "traits": _json("--traits", traits)}
    reports: list[tuple[dict[str, Any], str]] = []
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="lamina-check-") as folder:
        for name in names:
            shared = str(Path(folder) / "portable") if len(names) > 1 else None
            run = Run({**job, "portable": shared, "first": names[0]}, name, timeout)
            reports += run.reports()
            failed += [f"{name}: {run.error}"] if run.error else []
    for line in failed:
        typer.echo(f"lamina check: {line}", err=True)
    as_data = [report for report, _ in reports]
    if as_json:
        typer.echo(json.dumps(as_data, indent=2))
    else:
        for report, text in reports:
            show(report, text)
    if junit:
        junit.write_text(junit_xml(as_data))
    raise typer.Exit(2 if failed else int(not all(report["ok"] for report in as_data)))


def _json(option: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise typer.BadParameter(f"{option} must be JSON: {error}. Received: {text!r}") from None
    if not isinstance(value, dict):
        raise typer.BadParameter(f"{option} must be a JSON object. Received: {text!r}")
    return value


def _backends(text: str | None) -> list[str]:
    names = (text or os.environ.get("KERAS_BACKEND") or "tensorflow").split(",")
    for name in names:
        if name not in BACKENDS:
            raise typer.BadParameter(f"--backends takes {', '.join(BACKENDS)}. Received: {name!r}")
    return names


class Run:
    """One target on one backend, through as many worker processes as it takes.

    Attributes:
        error: Why the target could not be run at all; empty when it could.
    """

    def __init__(self, job: dict[str, Any], backend: str, timeout: float) -> None:
        self.job, self.backend, self.timeout = job, backend, timeout
        self.error = ""
        # Of the present worker: is a layer made, its reports, which contract of which layer runs.
        self._opened = False
        self._reports: list[tuple[dict[str, Any], str]] = []
        self._running: tuple[int, str] | None = None
        # Of all workers, by the layer's number.
        self._results: dict[int, list[dict[str, Any]]] = {}

    def reports(self) -> list[tuple[dict[str, Any], str]]:
        """One report a layer: as data, and as text."""
        while True:
            code = self._work({**self.job, "results": self._results})
            if self.error or code == 0:
                return self._reports
            if self._running is None:
                self.error = f"the worker process died (exit code {code}) before any contract ran"
                return self._reports
            layer, contract = self._running
            self._results.setdefault(layer, []).append(self._crashed(contract, code))

    def _crashed(self, contract: str, code: int | None) -> dict[str, Any]:
        """The result of a contract that did not come back: `code` None where it hung."""
        why = f"killed its process (exit code {code})"
        if code is None:
            why = f"did not return within {self.timeout:g} s"
        return {
            "contract": contract,
            "status": "crashed",
            "message": f"the layer {why}",
            "means": "it would take the whole training run with it",
            "hint": "look for a loop without an end, an exit, or native code; --timeout gives more "
            "time",
            "seconds": self.timeout if code is None else 0.0,
        }

    def _work(self, job: dict[str, Any]) -> int | None:
        """Runs a worker; its exit code, or None when a contract took too long."""
        self._running, self._opened, self._reports = None, False, []
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
        self._last_heard = time.monotonic()
        listener = threading.Thread(target=self._listen, args=(reader,), daemon=True)
        listener.start()
        while worker.poll() is None:
            time.sleep(0.05)
            # Importing a backend takes long, and is not the layer's fault.
            allowed = self.timeout + (0 if self._opened else 120)
            if time.monotonic() - self._last_heard > allowed:
                worker.kill()
                worker.wait()
                listener.join()
                return None
        listener.join()
        return worker.returncode

    def _listen(self, reader: int) -> None:
        with os.fdopen(reader) as lines:
            for line in lines:
                self._last_heard = time.monotonic()
                self._note(json.loads(line))

    def _note(self, message: dict[str, Any]) -> None:
        if "error" in message:
            self.error = message["error"]
        elif "opened" in message:
            self._opened = True
        elif "started" in message:
            self._running = (message["number"], message["started"])
        elif "result" in message:
            self._results.setdefault(message["number"], []).append(message["result"])
            self._running = None
        else:
            self._reports.append((message["report"], message["text"]))


def show(report: dict[str, Any], text: str) -> None:
    """The report's text; before it, on a terminal, a table of every contract."""
    if sys.stdout.isatty():
        table = Table("contract", "status", "message")
        for r in report["results"]:
            style = STYLES.get(r["status"], "bold red")
            table.add_row(r["contract"], f"[{style}]{r['status']}[/]", escape(r["message"]))
        Console().print(table)
    typer.echo(text)


def junit_xml(reports: list[dict[str, Any]]) -> str:
    """One suite a layer and backend, one case a contract."""
    suites = []
    for report in reports:
        name = quoteattr(f"{report['target']} on {report['backend']}")
        cases = []
        for r in report["results"]:
            inner = ""
            if r["status"] == "skipped":
                inner = f"<skipped message={quoteattr(r['message'])}/>"
            elif r["status"] not in STYLES:
                inner = f"<failure message={quoteattr(r['message'])}/>"
            seconds = f"{r['seconds']:.3f}"
            cases.append(
                f"<testcase classname={name} name={quoteattr(r['contract'])} "
                f'time="{seconds}">{inner}</testcase>'
            )
        suites.append(f'<testsuite name={name} tests="{len(cases)}">{"".join(cases)}</testsuite>')
    return f'<?xml version="1.0" encoding="utf-8"?>\n<testsuites>{"".join(suites)}</testsuites>\n'
