"""`lamina check`: holds layers to their contracts, each backend in a process of its own.

The work is done by `_check_worker`, which may crash or hang: this side imports neither keras nor
lamina, notes which contract was running, and goes on with the next one in a new process.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Annotated
from xml.sax.saxutils import quoteattr

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

BACKENDS = ("tensorflow", "jax", "torch")
# Statuses that make a layer fail; as in lamina.contracts, which is not imported here.
FAILING = ("broken", "error", "crashed", "unexpected_pass")
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
    reports, outputs = [], {}
    with tempfile.TemporaryDirectory(prefix="lamina-check-") as folder:
        for name in names:
            shared = str(Path(folder) / "portable") if len(names) > 1 else None
            run = Run({**job, "portable": shared, "first": names[0]}, name, timeout)
            reports += run.reports()
            outputs[name] = run.error
    failed = [f"{name}: {error}" for name, error in outputs.items() if error]
    if failed:
        _say_failed(failed, as_json)
    if as_json:
        typer.echo(json.dumps(reports, indent=2))
    else:
        for report in reports:
            show(report)
    if junit:
        junit.write_text(junit_xml(reports))
    raise typer.Exit(2 if failed else int(not all(report["ok"] for report in reports)))


def _say_failed(failed, as_json):
    for line in failed:
        typer.echo(f"lamina check: {line}", err=True)


def _json(option, text):
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise typer.BadParameter(f"{option} must be JSON: {error}. Received: {text!r}") from None
    if not isinstance(value, dict):
        raise typer.BadParameter(f"{option} must be a JSON object. Received: {text!r}")
    return value


def _backends(text):
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

    def __init__(self, job, backend, timeout):
        self.job, self.backend, self.timeout = job, backend, timeout
        self.error = ""
        self.targets, self.results = [], {}
        self.running = None

    def reports(self):
        """One report a layer."""
        while True:
            done = {str(n): [r["contract"] for r in found] for n, found in self.results.items()}
            code = self._work({**self.job, "done": done})
            if self.error or code == 0:
                break
            if self.running is None:
                self.error = f"the worker process died (exit code {code}) before any contract ran"
                break
            target, contract = self.running
            self.results.setdefault(target, []).append(self._crashed(contract, code))
        return [self._report(number, told) for number, told in enumerate(self.targets)]

    def _crashed(self, contract, code):
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
            "example": {},
            "seconds": self.timeout if code is None else 0.0,
        }

    def _work(self, job):
        """Runs a worker; its exit code, or None when a contract took too long."""
        self.running, self.targets = None, []
        environment = {**os.environ, "KERAS_BACKEND": self.backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment.setdefault("JAX_ENABLE_X64", "1")
        reader, writer = os.pipe()
        worker = subprocess.Popen(
            [sys.executable, "-m", "lamina_cli._check_worker", str(writer)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            pass_fds=[writer],
        )
        os.close(writer)
        self.last = time.monotonic()
        listener = threading.Thread(target=self._listen, args=(reader,), daemon=True)
        listener.start()
        worker.stdin.write(json.dumps(job).encode())
        worker.stdin.close()
        while worker.poll() is None:
            time.sleep(0.05)
            # Importing a backend takes long, and is not the layer's fault.
            allowed = self.timeout + (0 if self.targets else 120)
            if time.monotonic() - self.last > allowed:
                worker.kill()
                worker.wait()
                listener.join()
                return None
        listener.join()
        return worker.returncode

    def _listen(self, reader):
        with os.fdopen(reader) as lines:
            for line in lines:
                self.last = time.monotonic()
                self._note(json.loads(line))

    def _note(self, said):
        if "error" in said:
            self.error = said["error"]
        elif "target" in said:
            self.targets.append(said)
        elif "started" in said:
            self.running = (said["number"], said["started"])
        else:
            self.results.setdefault(said["number"], []).append(said["result"])
            self.running = None

    def _report(self, number, told):
        results = self.results.get(number, [])
        return {
            **{key: told[key] for key in ("target", "backend", "inputs", "provisional")},
            "ok": not any(r["status"] in FAILING for r in results),
            "broken": [r["contract"] for r in results if r["status"] == "broken"],
            "causes": causes(results, told["follows"]),
            "results": results,
        }


def causes(results, follows):
    """Roots with their consequences, as lamina.contracts ranks them: `follows` is in its order."""
    broken = [r["contract"] for r in results if r["status"] == "broken"]
    order = list(follows)

    def root(contract):
        above = [c for c in follows[contract] if c in broken]
        return root(min(above, key=order.index)) if above else contract

    groups = {}
    for contract in sorted(broken, key=order.index):
        groups.setdefault(root(contract), []).append(contract)
    return [
        {"root": first, "consequences": [c for c in groups[first] if c != first]}
        for first in sorted(groups, key=order.index)
    ]


def show(report):
    """A table on a terminal; plain lines elsewhere."""
    guessed = " (guessed: give --inputs to be sure)" if report["provisional"] else ""
    title = f"{report['target']} on {report['backend']}, inputs {report['inputs']}{guessed}"
    if sys.stdout.isatty():
        table = Table("contract", "status", "message", title=escape(title))
        for r in report["results"]:
            style = STYLES.get(r["status"], "bold red")
            table.add_row(r["contract"], f"[{style}]{r['status']}[/]", escape(r["message"]))
        Console().print(table)
    else:
        typer.echo(title)
        for r in report["results"]:
            if r["status"] not in ("passed", "skipped"):
                typer.echo(f"{r['status']}: {r['contract']}: {r['message']}")
    found = {r["contract"]: r for r in report["results"]}
    for number, cause in enumerate(report["causes"], 1):
        _show_cause(number, cause, found[cause["root"]])
    counts = {}
    for r in report["results"]:
        counts[r["status"]] = counts.get(r["status"], 0) + 1
    listed = ", ".join(f"{n} {status}" for status, n in counts.items())
    typer.echo(f"{'ok' if report['ok'] else 'NOT ok'}: {listed}")


def _show_cause(number, cause, result):
    typer.echo(f"{number}. {cause['root']}: {result['message']}")
    for label, key in (("it means", "means"), ("repair", "hint")):
        if result.get(key):
            typer.echo(f"   {label}: {result[key]}")
    if result.get("example"):
        shown = ", ".join(f"{k}={v}" for k, v in result["example"].items())
        typer.echo(f"   example: {shown}")
    if cause["consequences"]:
        typer.echo(f"   also broken through it: {', '.join(cause['consequences'])}")


def junit_xml(reports):
    """One suite a layer and backend, one case a contract."""
    suites = []
    for report in reports:
        name = quoteattr(f"{report['target']} on {report['backend']}")
        cases = []
        for r in report["results"]:
            inner = ""
            if r["status"] in FAILING:
                inner = f"<failure message={quoteattr(r['message'])}/>"
            elif r["status"] == "skipped":
                inner = f"<skipped message={quoteattr(r['message'])}/>"
            seconds = f"{r['seconds']:.3f}"
            cases.append(
                f"<testcase classname={name} name={quoteattr(r['contract'])} "
                f'time="{seconds}">{inner}</testcase>'
            )
        suites.append(f'<testsuite name={name} tests="{len(cases)}">{"".join(cases)}</testsuite>')
    return f'<?xml version="1.0" encoding="utf-8"?>\n<testsuites>{"".join(suites)}</testsuites>\n'
