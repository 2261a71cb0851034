"""`lamina check`: holds layers to their contracts, each backend in a process of its own."""

import ast
import importlib.util
import json
import os
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from lamina_cli._backend import BACKENDS, choose_backend
from lamina_cli._check_explain import explained, listed
from lamina_cli._check_run import Run
from lamina_cli._check_settings import settings_of
from lamina_cli._progress import progress_bar

# Every other status makes a layer fail.
HARMLESS = ("passed", "skipped", "advice", "expected")


def check(
    target: Annotated[
        str | None,
        typer.Argument(
            help="file.py, package, model.keras, module:Class, module:factory or file.py:Class"
        ),
    ] = None,
    kwargs: Annotated[str, typer.Option(help="constructor arguments, as JSON")] = "{}",
    inputs: Annotated[
        str | None,
        typer.Option(
            help="sample: float32(3,10,4), \\[float32(3,4),int32(3)], or a .npy/.npz file"
        ),
    ] = None,
    traits: Annotated[str, typer.Option(help="declared traits, as JSON")] = "{}",
    contracts: Annotated[
        str | None, typer.Option(help="ids or groups, e.g. dtype.*,shape.*")
    ] = None,
    backends: Annotated[str | None, typer.Option(help="e.g. tensorflow,jax,torch")] = None,
    fast: Annotated[bool, typer.Option("--fast", help="leave out the slow contracts")] = False,
    timeout: Annotated[float, typer.Option(help="seconds that one contract may take")] = 120.0,
    expect: Annotated[
        Path | None, typer.Option(help="TOML file of expected failures, a table a layer")
    ] = None,
    imports: Annotated[
        list[str] | None,
        typer.Option("--import", help="module or file to import first; repeatable"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the reports as JSON")] = False,
    junit: Annotated[Path | None, typer.Option(help="write a JUnit XML file")] = None,
    reproduce: Annotated[
        Path | None, typer.Option(help="write a script that fails as the first broken layer does")
    ] = None,
    explain: Annotated[
        str | None, typer.Option(help="print what a contract promises, and stop")
    ] = None,
    show_list: Annotated[bool, typer.Option("--list", help="list the contracts, and stop")] = False,
) -> None:
    """Is this layer right? Exit code 0: clean, 1: something is broken, 2: could not run."""
    if show_list:
        typer.echo(listed())
        return
    if explain:
        _explain(explain)
        return
    names = _backends(backends)
    job = _job(target, imports or [], inputs, contracts, fast)
    job |= {"kwargs": _json("--kwargs", kwargs), "traits": _json("--traits", traits)}
    job |= {"layers": settings_of(expect, Path.cwd()), "reproduce": reproduce is not None}
    runs = []
    with tempfile.TemporaryDirectory(prefix="lamina-check-") as folder, progress_bar() as progress:
        for name in names:
            shared = str(Path(folder) / "portable") if len(names) > 1 else None
            run = Run({**job, "portable": shared, "first": names[0]}, name, timeout, progress)
            run.run()
            runs.append(run)
    _tell(runs, as_json, junit, reproduce)
    reports = [report for run in runs for report, *_ in run.finished]
    if any(run.error for run in runs) or not reports:
        raise typer.Exit(2)
    raise typer.Exit(int(not all(report["ok"] for report in reports)))


def _tell(runs: list[Run], as_json: bool, junit: Path | None, reproduce: Path | None) -> None:
    """Prints and writes what was found."""
    for run in runs:
        for line in [*run.notes, *([run.error] if run.error else [])]:
            typer.echo(f"lamina check: {run.backend}: {line}".replace("\n", " "), err=True)
    finished = [f for run in runs for f in run.finished]
    reports = [report for report, *_ in finished]
    if as_json:
        typer.echo(json.dumps(reports, indent=2))
    else:
        for _, text, _ in finished:
            typer.echo(text)
    if junit:
        junit.write_text(junit_xml(reports), encoding="utf-8")
    scripts = [script for *_, script in finished if script]
    if reproduce and scripts:
        reproduce.write_text(scripts[0], encoding="utf-8")


def _explain(contract: str) -> None:
    try:
        typer.echo(explained(contract))
    except KeyError:
        raise typer.BadParameter(
            f"--explain takes a contract's id: `lamina check --list`. Received: {contract!r}"
        ) from None


def _job(
    target: str | None, imports: list[str], inputs: str | None, contracts: str | None, fast: bool
) -> dict[str, Any]:
    """What every worker is told; a path that leads nowhere is refused before one starts."""
    if target is None:
        raise typer.BadParameter("a TARGET is missing: file.py, package, model.keras, module:Class")
    for place in (target, *imports):
        _exists(place)
    return {
        "target": target,
        "imports": imports,
        "inputs": inputs,
        "contracts": contracts,
        "fast": fast,
    }


def _exists(target: str) -> None:
    place, _, name = target.partition(":")
    if place.endswith((".py", ".keras")):
        if not Path(place).is_file():
            _refuse(f"no such file: {place}")
        if name and place.endswith(".py") and not _defines(Path(place), name.partition(".")[0]):
            _refuse(f"{place} defines no {name}")
        return
    sys.path.insert(0, str(Path.cwd()))
    try:
        if importlib.util.find_spec(place.partition(".")[0]) is None:
            _refuse(f"no module {place} could be imported from here, and no such file")
    finally:
        sys.path.pop(0)


def _defines(path: Path, name: str) -> bool:
    """May a Python file have a name at its top level? Its source alone is looked at."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError) as error:
        _refuse(f"{path} could not be imported: {error}")
    words = {
        getattr(node, "name", None) or getattr(node, "id", None) or getattr(node, "asname", None)
        for node in ast.walk(tree)
    }
    return name in words or "*" in words


def _refuse(message: str) -> NoReturn:
    typer.echo(f"lamina check: {message}", err=True)
    raise typer.Exit(2)


def _json(option: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise typer.BadParameter(f"{option} must be JSON: {error}. Received: {text!r}") from None
    if not isinstance(value, dict):
        raise typer.BadParameter(f"{option} must be a JSON object. Received: {text!r}")
    return value


def _backends(text: str | None) -> list[str]:
    if text is None:
        choose_backend()
        return [os.environ.get("KERAS_BACKEND", BACKENDS[0])]
    names = text.split(",")
    for name in names:
        if name not in BACKENDS:
            raise typer.BadParameter(f"--backends takes {', '.join(BACKENDS)}. Received: {name!r}")
    return names


def junit_xml(reports: list[dict[str, Any]]) -> str:
    """One suite a layer and backend, one case a contract."""
    suites = ElementTree.Element("testsuites")
    for report in reports:
        name, results = f"{report['target']} on {report['backend']}", report["results"]
        counts = {
            "tests": len(results),
            "failures": sum(r["status"] in ("broken", "unexpected_pass") for r in results),
            "errors": sum(r["status"] in ("error", "crashed") for r in results),
            "skipped": sum(r["status"] == "skipped" for r in results),
            "time": f"{sum(r['seconds'] for r in results):.3f}",
        }
        suite = ElementTree.SubElement(suites, "testsuite", name=name)
        for key, value in counts.items():
            suite.set(key, str(value))
        for r in results:
            case = ElementTree.SubElement(
                suite,
                "testcase",
                classname=name,
                name=r["contract"],
                time=f"{r['seconds']:.3f}",
            )
            if r["status"] == "skipped":
                ElementTree.SubElement(case, "skipped", message=r["message"])
            elif r["status"] not in HARMLESS:
                kind = "error" if r["status"] in ("error", "crashed") else "failure"
                found = ElementTree.SubElement(case, kind, message=r["message"])
                found.text = _words(r)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suites, "unicode")


def _words(result: dict[str, Any]) -> str:
    """A failure's text: what it means, where, and how to repair it."""
    parts = {
        "it means": result.get("means"),
        "at": result.get("where"),
        "repair": result.get("hint"),
        "example": ", ".join(f"{k}={v}" for k, v in result.get("example", {}).items()),
    }
    return "\n".join(f"{k}: {v}" for k, v in parts.items() if v)
