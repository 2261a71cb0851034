"""Labelled series by `lamina_detect` and its peers: docs/measurements/series.md.

    python -m benchmarks.detection DATA [--kinds NAB SKAB ...] [--methods T2 lamina ...]
        [--sample N] [--shortest N] [--part choose|confirm] [--jobs N] [--peers PYTHON]

DATA holds `KIND-PART/NAME.npz` (benchmarks/detection/_labelled.py). A run can be ended and started
again: each score is kept under out/bench/detection-cache until its series or its code changes.
PYTHON is an interpreter that has stumpy.
"""

import argparse
import datetime
import json
import pathlib
import sys

from benchmarks._report import OUT, commit, machine, versions
from benchmarks.detection import _pictures, _tables
from benchmarks.detection._labelled import confirming, drawn, files_of, kind_of, of_kinds
from benchmarks.detection._run import Record, Task, run
from benchmarks.detection.methods import METHODS, OURS


def main() -> None:
    options = _parser().parse_args()
    everything = files_of(options.data)
    kept_apart = confirming(everything)
    paths = _chosen(options, everything, kept_apart)
    if not paths:
        sys.exit(f"No series in {options.data}: KIND-PART/NAME.npz is expected.")
    records = _measured(options, paths)
    confirm = {f"{p.parent.name}/{p.stem}" for p in kept_apart}
    for record in records:
        record["part"] = "confirm" if record["series"] in confirm else "choose"
    _print(options, records)
    _write(options, records)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.detection", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("data", type=pathlib.Path, help="the folder of series")
    parser.add_argument("--kinds", nargs="*", default=[], help="kinds, or folders; else all")
    parser.add_argument(
        "--methods", nargs="*", default=list(METHODS), choices=METHODS, metavar="NAME",
        help=f"of {', '.join(METHODS)}; else all",
    )  # fmt: skip
    parser.add_argument("--part", choices=("choose", "confirm"), help="of the split; else both")
    parser.add_argument("--sample", type=int, help="so many series, the same ones each time")
    parser.add_argument("--shortest", type=int, help="only the so many shortest ones")
    parser.add_argument("--jobs", type=int, default=1, help="processes (%(default)s)")
    parser.add_argument("--peers", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--out", type=pathlib.Path, default=OUT, help="of JSON, picture and cache")
    return parser


def _chosen(
    options: argparse.Namespace, everything: list[pathlib.Path], kept_apart: set[pathlib.Path]
) -> list[pathlib.Path]:
    """The series that are asked for, the shorter ones first."""
    paths = of_kinds(everything, options.kinds)
    if options.part:
        paths = [p for p in paths if (p in kept_apart) == (options.part == "confirm")]
    if options.sample:
        paths = drawn(paths, options.sample)
    return sorted(paths, key=lambda p: (p.stat().st_size, p))[: options.shortest]


def _measured(options: argparse.Namespace, paths: list[pathlib.Path]) -> list[Record]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    cache = options.out / "detection-cache"
    tasks = [Task(p, name, cache, options.peers) for p in paths for name in options.methods]
    columns = (TextColumn("{task.description:40}"), BarColumn(), MofNCompleteColumn())
    records: list[Record] = []
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        shown = progress.add_task("", total=len(tasks))
        for found in run(tasks, options.jobs):
            records += found
            last = f"{found[0]['method']} {found[0]['series']}"
            progress.update(shown, advance=1, description=last[:40])
    return sorted(records, key=lambda r: (r["series"], r["method"], r.get("mode", "")))


def _print(options: argparse.Namespace, records: list[Record]) -> None:
    rows = _tables.rows_of(records)
    count = {part: len({r["series"] for r in records if r["part"] == part}) for part in PARTS}
    print(SPLIT.format(**count))
    print(_tables.failures(records))
    if not rows or not next(iter(rows.values())):
        return
    print(f"## By kind\n\n{_tables.by_kind(rows)}\n## Means\n\n{_tables.overview(rows)}")
    for part in PARTS:
        some = {k: {s: r for s, r in v.items() if r["part"] == part} for k, v in rows.items()}
        if 0 < len(next(iter(some.values()))) < len(next(iter(rows.values()))):
            print(f"Of the part to {part}:\n\n{_tables.overview(some)}")
    print(f"## Pairs\n\n{_tables.paired(rows)}\n## Alarms\n\n{_tables.alarms(rows)}")
    _print_worst(options, rows)


PARTS = ("choose", "confirm")
SPLIT = """
Of a kind's series in the order of the SHA-1 of FOLDER/NAME every third one confirms, the others
choose. Here: {choose} that choose, {confirm} that confirm. Figures are means over the series that
every method scored.
"""


def _print_worst(options: argparse.Namespace, rows: dict[str, dict[str, Record]]) -> None:
    peer = _tables.best_peer(rows)
    ours = next((row for row in (OURS, f"{OURS} (causal)") if row in rows), None)
    if peer is None or ours is None:
        return
    names = _pictures.worst(rows[ours], rows[peer])
    _, outcome = _tables.difference(rows[ours], rows[peer])
    print(f"## Worst\n\n{ours} beside the best peer, {peer}: win / tie / loss {outcome}.\n")
    print(_pictures.worst_table(names, rows[ours], rows[peer]))
    picture = options.out / "detection-worst.png"
    cache = options.out / "detection-cache"
    if names:
        _pictures.draw(names, (ours, peer), options.data, cache, options.peers, picture)
        print(f"Drawn in {picture}")


def _write(options: argparse.Namespace, records: list[Record]) -> None:
    found = {
        "name": "detection",
        "methods": options.methods,
        "kinds": sorted({kind_of(pathlib.Path(r["series"])) for r in records}),
        "versions": versions(),
        "machine": machine(),
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "rows": records,
    }
    path = options.out / "detection.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n")
    print(f"Written to {path}")


if __name__ == "__main__":
    main()
