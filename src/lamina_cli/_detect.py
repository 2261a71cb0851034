"""`lamina detect`: find what is unusual in a recording."""

import json
from typing import Annotated, Any

import typer

from lamina_cli._backend import BackendOption, choose_backend, import_keras
from lamina_cli._detect_all import detect_all
from lamina_cli._progress import progress_bar


def detect(
    recording: Annotated[
        str | None,
        typer.Argument(help="A file, or - for CSV on standard input; a demonstration without."),
    ] = None,
    out: Annotated[str, typer.Option(help="Folder for the results.")] = "out",
    fit: Annotated[str | None, typer.Option(help="Learn from this recording instead.")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", "--columns", help="Columns of signals: A,B or repeated."),
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Samples per second.")] = None,
    time: Annotated[str | None, typer.Option(help="Column of the times, or none.")] = None,
    by: Annotated[str | None, typer.Option(help="Column that names each row's series.")] = None,
    missing: Annotated[
        list[str] | None, typer.Option(help="What means no measurement, or none; repeatable.")
    ] = None,
    resample: Annotated[str | None, typer.Option(help="Average to this step: 5min, 1s.")] = None,
    decimal: Annotated[str | None, typer.Option(help="Decimal mark: . or ,")] = None,
    dates: Annotated[str | None, typer.Option(help="Order in dates: dmy or mdy.")] = None,
    window: Annotated[int | None, typer.Option(help="Samples; found from the data.")] = None,
    shapes: Annotated[int, typer.Option(help="The most shapes in a lead's codebook.")] = 200,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    false_alarms: Annotated[
        str,
        typer.Option(
            metavar="RATE", help="Of usual windows, the part that may be alarms; or 2/day, 1/week."
        ),
    ] = "0.02",
    threshold: Annotated[
        float | None, typer.Option(help="Score from which on an event is an alarm, instead.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print run.json.")] = False,
    model: Annotated[str | None, typer.Option(help="A saved model.keras that scores.")] = None,
    source: Annotated[
        str | None, typer.Option("--from", help="A folder or URL: all recordings below.")
    ] = None,
    glob: Annotated[str | None, typer.Option(help='--from: which, such as "**/*.hea".')] = None,
    fit_each: Annotated[
        bool, typer.Option("--fit-each", help="--from: learn from each recording itself.")
    ] = False,
    fit_corpus: Annotated[
        bool, typer.Option("--fit-corpus", help="--from: learn from all of them together.")
    ] = False,
    workers: Annotated[int | None, typer.Option(help="--from: processes.")] = None,
    engine: Annotated[str, typer.Option(help="--from: local or ray.")] = "local",
    address: Annotated[str | None, typer.Option(help="--from: a Ray cluster, or auto.")] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="--from: what failed, once more.")
    ] = False,
    no_scores: Annotated[
        bool, typer.Option("--no-scores", help="--from: events and summary alone.")
    ] = False,
    backend: BackendOption = None,
) -> None:
    """Find what is unusual in a recording; learn from it, or from another, what is usual.

    Writes scores.parquet, events.csv, report.html, model.keras and run.json. With --from: in all
    recordings of a folder or bucket; the same command again goes on where it was stopped.
    """
    choose_backend(backend)
    from lamina_detect import BadInput

    reading = {"time": time, "by": by, "missing": missing or (), "resample": resample}
    reading |= {"decimal": decimal, "dates": dates}
    settings = {"window": window, "shapes": shapes, "seed": seed}
    of_corpus = {
        "glob": glob,
        "fit_each": fit_each,
        "fit_corpus": fit_corpus,
        "workers": workers,
        "address": address,
    }
    of_corpus |= {"retry_failed": retry_failed, "no_scores": no_scores}
    try:
        if source is not None:
            if recording is not None:
                raise BadInput(f"give a recording or --from, not both. Received: {recording}")
            options = of_corpus | {"model": model, "fit": fit, "engine": engine}
            reading |= {"columns": column, "rate": rate}
            options |= settings | {"reading": reading, "false_alarms": false_alarms}
            detect_all(source, out, as_json, options | {"threshold": threshold})
            return
        if useless := [name for name, value in of_corpus.items() if value]:
            raise BadInput(f"--{useless[0].replace('_', '-')} needs --from FOLDER")
        if model and fit:
            raise BadInput("--model scores with what was learned: give it or --fit, not both")
        # Not before: it takes seconds.
        import_keras()
        from lamina_detect import detect as job

        with progress_bar() as progress:
            run = job(
                recording,
                out,
                fit,
                column,
                rate,
                progress,
                reading,
                false_alarms,
                threshold,
                model,
                **settings,
            )
    except BadInput as error:
        typer.echo(f"lamina detect: {error}".replace("\n", " "), err=True)
        raise typer.Exit(2) from None
    typer.echo(json.dumps(run, indent=2) if as_json else summary(run, out))


def summary(run: dict[str, Any], out: str) -> str:
    """What the command prints: a result that can be read at a glance."""
    length = f"{run['samples']:,} samples of {', '.join(run['leads'])}"
    if run["rate"]:
        length += f", {run['samples'] / run['rate'] / 60:.1f} minutes"
    lines = [
        f"{run['recording']}: {length}",
        f"  window {run['settings']['window']} samples, {_alarms(run)}",
    ]
    lines += [f"  read:      {note}" for note in run["notes"]]
    if run["left_out"]:
        lines.append("  constant, left out: " + ", ".join(run["left_out"]))
    names = {"gaps": "gap", "clipped": "clipped stretch", "flat": "flat stretch"}
    conditions = [_count(run[k], name) for k, name in names.items() if run[k]]
    if conditions:
        lines.append("  also:      " + ", ".join(conditions))
    lines.append("  highest:   sample        time       score  lead, expert")
    for event in run["highest"][:5]:
        mark = "!" if event["alarm"] else " "
        lines.append(
            f"          {mark} {event['peak']:>8}  {event['time']:>10}  {event['score']:>9.1f}"
            f"  {event['lead']}, {event['expert']}"
        )
    if metrics := run["against_annotations"]:
        lines.append(
            f"  against {metrics['positive']} of {metrics['of']} marked {metrics['per']}: "
            f"area under ROC {metrics['area_under_roc']:.3f} "
            f"(random {metrics['random_area_under_roc']:.3f}), average precision "
            f"{metrics['average_precision']:.3f} (random {metrics['random_average_precision']:.3f})"
        )
    lines.append(f"  {out}/report.html   ({run['seconds']:.0f} s)")
    return "\n".join(lines)


def _alarms(run: dict[str, Any]) -> str:
    if run["threshold"] is None:
        return f"no alarm: {_count(run['windows'], 'window')} are too few to state a rate"
    if not run["alarms"] and run["highest"]:
        # Not "0 alarms", which reads as if there were nothing to see.
        highest = run["highest"][0]["score"]
        part = 100 * highest / run["threshold"]
        reached = f"the highest reaches {highest:.1f}, {part:.0f} % of it"
        return f"no alarm above {run['threshold']:.1f}: {reached}"
    return f"{_count(run['alarms'], 'alarm')} above {run['threshold']:.1f}"


def _count(number: int, noun: str) -> str:
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun}{'es' if noun.endswith('ch') else 's'}"
