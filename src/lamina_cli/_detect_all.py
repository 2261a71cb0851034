"""`lamina detect --from`: what it shows while it runs, and at its end."""

import contextlib
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from lamina_detect import Standing

# Of the exit status: some rows are failed or crashed; stopped by Ctrl-C, as shells have it.
FAILED, INTERRUPTED = 3, 130


def detect_all(source: str, out: str, as_json: bool, options: Mapping[str, Any]) -> None:
    """Run the job; exits with 3 if a recording failed, in this run or before."""
    from lamina_detect import detect_corpus

    options = dict(options)
    options["scores"] = not options.pop("no_scores")
    with _progress() as progress:
        standing = detect_corpus(source, out, progress=progress, **options)
    if as_json:
        typer.echo(json.dumps(as_data(standing), indent=2))
    else:
        typer.echo(summary(standing, out))
    if standing.interrupted:
        raise typer.Exit(INTERRUPTED)
    if standing.total.failed or standing.total.crashed:
        raise typer.Exit(FAILED)


def as_data(standing: "Standing") -> dict[str, Any]:
    """What --json prints."""
    known = {"planned": standing.planned, "interrupted": standing.interrupted}
    return known | vars(standing.total)


def summary(standing: "Standing", out: str) -> str:
    """The last lines: what was found, or how to go on."""
    if standing.interrupted:
        again = shlex.join(["lamina", *sys.argv[1:]])
        return f"Stopped: {told(standing)}\nTo go on, the same command: {again}"
    lines = [told(standing)]
    if standing.total.failed or standing.total.crashed:
        lines.append("  why: `reason` in summary/; --retry-failed tries them again")
    lines.append(f"  {out}/index.html")
    return "\n".join(lines)


def told(standing: "Standing") -> str:
    """Where it stands, in a line."""
    total = standing.total
    parts = [f"{standing.done:,} of {standing.planned:,} recordings"]
    if total.seconds:
        parts.append(f"{total.seconds / 3600:,.1f} hours")
    parts.append(f"{total.alarms:,} alarms among {total.events:,} events")
    parts += [f"{n:,} {word}" for n, word in _bad(standing) if n]
    return ", ".join(parts)


def _bad(standing: "Standing") -> list[tuple[int, str]]:
    return [(standing.total.failed, "failed"), (standing.total.crashed, "crashed")]


@contextlib.contextmanager
def _progress() -> Iterator[Callable[["Standing"], object] | None]:
    """A bar and figures on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = BarColumn(16), TextColumn("{task.description}")
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def show(standing: "Standing") -> None:
            text = told(standing)
            if standing.left is not None:
                text += f", {remaining(standing.left)} left"
            bar.update(task, description=text, completed=standing.done, total=standing.planned)

        yield show


def remaining(seconds: float) -> str:
    """Time left, for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
