"""`lamina detect` beside its peers, on real recordings: docs/measurements/detection.md.

    python -m benchmarks.detection.compare DATA
        [--table peers|seeds|alarms|ablation|altered|leave-one-out] [--only NAME ...]
        [--peers PYTHON] [--methods NAME ...] [--limit SECONDS] [--quick]

DATA is the folder of recordings (mitdb, svdb, nab). Areas under ROC and average precisions are per
beat for the ECG records with beat annotations (a beat's score: the maximum from 0.25 s before to
0.4 s after it), else per sample; VUS-PR is aeon's `range_pr_vus_score`. Peers see the whole series
at once; ours is causal. Each runs in a process of its own, with the interpreter PYTHON (which needs
aeon, stumpy, pyod and torch). Those that would take longer than SECONDS get the longest first part
that they can do, and ours is evaluated on the same part beside them.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks._report import OUT, ROOT, Report
from benchmarks.detection import _peers
from benchmarks.detection._altered import ALTERATIONS, altered
from benchmarks.detection._series import (
    ALL,
    BEATS,
    Quality,
    first,
    first_lead,
    lamina_score,
    quality,
    series,
)
from benchmarks.detection._settings import ABLATIONS, ablated, chosen_without, grid
from lamina_detect import Recording, find_threshold
from lamina_detect.results import FALSE_ALARMS

SEEDS = 5
QUICK = 60_000  # samples
MOST_FOR_VOLUME = 30_000  # VUS-PR takes minutes for longer series


class Table(Report):
    """A report whose rows are kept as they are shown, by the names of the columns."""

    def __init__(self, options: argparse.Namespace, *columns: str) -> None:
        name = f"detection-{options.table}{'-quick' if options.quick else ''}"
        super().__init__(name, columns, options.out)
        self.columns = columns

    def row(self, *cells: object) -> None:
        known = [None if isinstance(c, float) and np.isnan(c) else c for c in cells]
        shown = (f"{c:.4g}" if isinstance(c, float) else "" if c is None else c for c in known)
        self.add(list(shown), dict(zip(self.columns, known, strict=True)))


def chosen(
    options: argparse.Namespace, names: Sequence[str]
) -> Iterator[tuple[str, Recording, Recording]]:
    """`(name, to learn from, to score)` of what is asked for; little of it for a smoke run."""
    names = options.only or names
    if not options.quick:
        yield from series(options.data, names)
        return
    for name, learn, score in series(options.data, names[:1]):
        yield name, *(first(x, min(QUICK, x.length)) for x in (learn, score))


def peers(options: argparse.Namespace) -> Table:
    """Ours and each method on each series."""
    columns = ("series", "method", "scored", "ROC", "AP", "VUS-PR", "off", "s")
    table = Table(options, *columns, "our ROC", "our AP")
    for name, learn, score in chosen(options, ALL):
        began = time.perf_counter()
        ours, window = lamina_score(learn, score)
        took = time.perf_counter() - began
        volume = score.length < MOST_FOR_VOLUME
        found = quality(ours, score, volume)
        table.row(name, "lamina", "all", *cells_of(found), round(took, 1), None, None)
        for method in options.methods:
            table.row(name, method, *peer_cells(options, method, learn, score, ours, window))
    return table


def peer_cells(
    options: argparse.Namespace,
    method: str,
    learn: Recording,
    score: Recording,
    ours: np.ndarray,
    window: int,
) -> list[object]:
    """A peer's figures, and ours on the part that it could do."""
    theirs, took = peer_score(method, learn, score, window, options.peers, options.limit)
    if theirs is None:
        return ["not installed", *cells_of(Quality()), None, None, None]
    part = first(score, len(theirs))
    found = quality(theirs, part, score.length < MOST_FOR_VOLUME)
    mine = quality(ours[: len(theirs)], part)
    scored = "all" if part.length == score.length else f"first {part.length:,}"
    return [scored, *cells_of(found), round(took, 1), mine.roc, mine.ap]


def cells_of(found: Quality) -> tuple[object, ...]:
    return found.roc, found.ap, found.vus_pr, found.off


def peer_score(
    method: str, learn: Recording, score: Recording, window: int, python: str, limit: float
) -> tuple[np.ndarray | None, float]:
    """`(scores of the first samples, seconds)` of a peer; None where it does not run."""
    with tempfile.TemporaryDirectory() as folder:
        given, found = pathlib.Path(folder) / "given.npz", pathlib.Path(folder) / "found.npz"
        np.savez(given, learn=first_lead(learn), score=first_lead(score), window=window)
        command = [python, "-m", _peers.__name__, method, given, found, str(limit)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if "ModuleNotFoundError" in done.stderr:
            return None, 0.0
        done.check_returncode()
        values = np.load(found)
        return values["values"], float(values["seconds"])


def seeds(options: argparse.Namespace) -> Table:
    """How much the figures move with the seed."""
    table = Table(options, "series", "ROC, five seeds", "AP, five seeds")
    for name, learn, score in chosen(options, BEATS):
        found = [quality(lamina_score(learn, score, seed=s)[0], score) for s in range(SEEDS)]
        columns = ([v.roc for v in found], [v.ap for v in found])
        table.row(name, *(" ".join(f"{v:.4f}" for v in column) for column in columns))
    return table


def alarms(options: argparse.Namespace) -> Table:
    """Stretches of one window above the threshold, where nothing is marked and where something is.

    A beat marks the window before it and the two after it; a labelled sample the window after it.
    """
    columns = ("unmarked windows", "alarms there", "as stated", "marked windows", "alarms in these")
    table = Table(options, "series", *columns)
    for name, learn, score in chosen(options, ALL):
        ours, window = lamina_score(learn, score)
        high = highest_of_windows(np.nan_to_num(ours), window) > find_threshold(ours, window)
        marked = highest_of_windows(near_marks(score, window), window)
        stated = round(FALSE_ALARMS * float((~marked).sum()), 1)
        false, true = int((high & ~marked).sum()), int((high & marked).sum())
        table.row(name, int((~marked).sum()), false, stated, int(marked.sum()), true)
    return table


def highest_of_windows(x: np.ndarray, window: int) -> np.ndarray:
    """The largest value of each stretch of one window."""
    count = len(x) // window
    return x[: count * window].reshape(count, window).max(1)


def near_marks(recording: Recording, window: int) -> np.ndarray:
    """Which samples lie where an alarm is right."""
    marked = np.zeros(recording.length, bool)
    if recording.beats is not None:
        for place in recording.beats.samples[recording.beats.anomalous]:
            marked[max(0, place - window) : place + 2 * window] = True
        return marked
    for place in np.flatnonzero(recording.labels):
        marked[place : place + window] = True
    return marked


def ablation(options: argparse.Namespace) -> Table:
    """What each part of the detector adds."""
    pairs = list(chosen(options, BEATS))
    names = [f"{name} AP" for name, *_ in pairs]
    table = Table(options, "what is different", "mean ROC", "mean AP", *names)
    for variant in ABLATIONS:
        found = [ablated(variant, learn, score) for _, learn, score in pairs]
        table.row(variant, *means(found), *(v.ap for v in found))
    return table


def means(found: Sequence[Quality]) -> tuple[float, float]:
    """(area under ROC, average precision)"""
    return statistics.mean(v.roc for v in found), statistics.mean(v.ap for v in found)


def alterations(options: argparse.Namespace) -> Table:
    """The records as other recorders would have stored them."""
    records = [(name, score) for name, _, score in chosen(options, BEATS)]
    names = [f"{name}: s, ROC, AP" for name, _ in records]
    table = Table(options, "altered", "mean ROC", "mean AP", *names)
    for how in ALTERATIONS:
        found, cells = [], []
        for _, record in records:
            new = altered(record, how)
            ours, window = lamina_score(new, new)
            found.append(quality(ours, new))
            cells.append(f"{window / new.rate:.2f}, {found[-1].roc:.3f}, {found[-1].ap:.3f}")
        table.row(how, *means(found), *cells)
    return table


def leave_one_out(options: argparse.Namespace) -> Table:
    """Settings chosen on the other records."""
    setting = "window, coordinates, cutoff chosen on the others"
    table = Table(options, "left out", setting, "ROC", "AP")
    found = grid(list(chosen(options, BEATS)))
    for name in next(iter(found.values())):
        best = chosen_without(name, found)
        table.row(name, str(best), found[best][name].roc, found[best][name].ap)
    areas = [means(list(row.values()))[0] for row in found.values()]
    print(f"Mean ROC over the {len(found)} settings: {min(areas):.4f} to {max(areas):.4f}")
    return table


TABLES = {
    "peers": peers,
    "seeds": seeds,
    "alarms": alarms,
    "ablation": ablation,
    "altered": alterations,
    "leave-one-out": leave_one_out,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=pathlib.Path, help="the folder of recordings")
    parser.add_argument("--table", choices=TABLES, default="peers")
    parser.add_argument("--only", nargs="*", default=(), metavar="NAME", help="these recordings")
    parser.add_argument("--peers", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--methods", nargs="*", default=list(_peers.PEERS))
    parser.add_argument("--limit", type=float, default=300, help="seconds of a peer on a series")
    parser.add_argument("--quick", action="store_true", help="the start of one recording")
    parser.add_argument("--out", type=pathlib.Path, default=OUT, help="folder of the JSON file")
    options = parser.parse_args()
    TABLES[options.table](options).write(quick=options.quick)


if __name__ == "__main__":
    main()
