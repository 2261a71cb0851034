"""`lamina detect` beside its peers, on real recordings: the tables of docs/detection.md.

    python -m benchmarks.detect_compare DATA
        [--table peers|seeds|alarms|ablation|altered|leave-one-out] [--only NAME ...]
        [--peers PYTHON] [--methods NAME ...] [--limit SECONDS]

DATA is the folder of recordings (mitdb, svdb, nab). Areas under ROC and average precisions are per
beat for the ECG records with beat annotations (a beat's score: the maximum from 0.25 s before to
0.4 s after it), else per sample; VUS-PR is aeon's `range_pr_vus_score`. Peers see the whole series
at once; ours is causal. Each runs in a process of its own, with the interpreter PYTHON (which needs
aeon, stumpy, pyod and torch). Those that would take longer than SECONDS get the longest first part
that they can do, and ours is judged on the same part beside them.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

from benchmarks import _detect_peers
from benchmarks._detect_altered import ALTERATIONS, altered
from benchmarks._detect_series import ALL, BEATS, first, first_lead, judged, lamina_score, series
from benchmarks._detect_settings import ABLATIONS, ablated, chosen_without, grid
from lamina_detect import find_threshold
from lamina_detect._events import FALSE_ALARMS

SEEDS = 5


def peer_score(method, learn, score, window, python, limit):
    """`(scores of the first samples, seconds)` of a peer."""
    with tempfile.TemporaryDirectory() as folder:
        given, found = pathlib.Path(folder) / "given.npz", pathlib.Path(folder) / "found.npz"
        np.savez(given, learn=first_lead(learn), score=first_lead(score), window=window)
        command = [python, _detect_peers.__file__, method, given, found, str(limit)]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        values = np.load(found)
        return values["values"], float(values["seconds"])


def print_row(*cells):
    shown = (f"{c:.4f}" if isinstance(c, float) else "" if c is None else str(c) for c in cells)
    print(f"| {' | '.join(shown)} |", flush=True)


def peers(asked):
    print_row("series", "method", "scored", "ROC", "AP", "VUS-PR", "off", "s", "our ROC", "our AP")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, learn, score in series(asked.data, asked.only or ALL):
        volume = score.length < 30_000
        began = time.perf_counter()
        ours, window = lamina_score(learn, score)
        took = time.perf_counter() - began
        v = judged(ours, score, volume)
        print_row(name, "lamina", "all", v.roc, v.ap, v.vus_pr, v.off, f"{took:.1f}", None, None)
        for method in asked.methods:
            theirs, took = peer_score(method, learn, score, window, asked.peers, asked.limit)
            part = first(score, len(theirs))
            v, mine = judged(theirs, part, volume), judged(ours[: len(theirs)], part)
            scored = "all" if part.length == score.length else f"first {part.length:,}"
            row = (name, method, scored, v.roc, v.ap, v.vus_pr, v.off, f"{took:.1f}")
            print_row(*row, mine.roc, mine.ap)


def seeds(asked):
    print_row("series", "ROC, five seeds", "AP, five seeds")
    print("|---|---|---|")
    for name, learn, score in series(asked.data, asked.only or BEATS):
        found = [judged(lamina_score(learn, score, seed=s)[0], score) for s in range(SEEDS)]
        columns = ([v.roc for v in found], [v.ap for v in found])
        print_row(name, *(" ".join(f"{v:.4f}" for v in column) for column in columns))


def alarms(asked):
    """Stretches of one window above the threshold, where nothing is marked and where something is.

    A beat marks the window before it and the two after it; a labelled sample the window after it.
    """
    print_row("series", "unmarked windows", "alarms", "as stated", "marked windows", "alarms")
    print("|---" * 6 + "|")
    for name, learn, score in series(asked.data, asked.only or ALL):
        ours, window = lamina_score(learn, score)
        high = windows_of(np.nan_to_num(ours), window) > find_threshold(ours, window)
        marked = windows_of(near_marks(score, window), window)
        stated = f"{FALSE_ALARMS * (~marked).sum():.1f}"
        alarms = (high & ~marked).sum(), (high & marked).sum()
        print_row(name, (~marked).sum(), alarms[0], stated, marked.sum(), alarms[1])


def windows_of(x, window):
    """The largest value of each stretch of one window."""
    count = len(x) // window
    return x[: count * window].reshape(count, window).max(1)


def near_marks(recording, window):
    marked = np.zeros(recording.length, bool)
    if recording.beats is not None:
        for place in recording.beats.samples[recording.beats.anomalous]:
            marked[max(0, place - window) : place + 2 * window] = True
        return marked
    for place in np.flatnonzero(recording.labels):
        marked[place : place + window] = True
    return marked


def ablation(asked):
    pairs = list(series(asked.data, asked.only or BEATS))
    print_row("what is different", "mean ROC", "mean AP", *(f"{name} AP" for name, *_ in pairs))
    print("|---" * (3 + len(pairs)) + "|")
    for variant in ABLATIONS:
        found = [ablated(variant, learn, score) for _, learn, score in pairs]
        means = statistics.mean(v.roc for v in found), statistics.mean(v.ap for v in found)
        print_row(variant, *means, *(v.ap for v in found))


def alterations(asked):
    records = [(name, score) for name, _, score in series(asked.data, asked.only or BEATS)]
    print_row("altered", "mean ROC", "mean AP", *(f"{name}: s, ROC, AP" for name, _ in records))
    print("|---" * (3 + len(records)) + "|")
    for how in ALTERATIONS:
        found, cells = [], []
        for _, record in records:
            new = altered(record, how)
            ours, window = lamina_score(new, new)
            found.append(judged(ours, new))
            cells.append(f"{window / new.rate:.2f}, {found[-1].roc:.3f}, {found[-1].ap:.3f}")
        means = statistics.mean(v.roc for v in found), statistics.mean(v.ap for v in found)
        print_row(how, *means, *cells)


def leave_one_out(asked):
    found = grid(list(series(asked.data, asked.only or BEATS)))
    print_row("left out", "window, coordinates, cutoff chosen on the others", "ROC", "AP")
    print("|---|---|---|---|")
    for name in next(iter(found.values())):
        setting = chosen_without(name, found)
        print_row(name, setting, found[setting][name].roc, found[setting][name].ap)
    means = [statistics.mean(v.roc for v in row.values()) for row in found.values()]
    print(f"Mean ROC over the {len(found)} settings: {min(means):.4f} to {max(means):.4f}")


TABLES = {
    "peers": peers,
    "seeds": seeds,
    "alarms": alarms,
    "ablation": ablation,
    "altered": alterations,
    "leave-one-out": leave_one_out,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--table", choices=TABLES, default="peers")
    parser.add_argument("--only", nargs="*", default=())
    parser.add_argument("--peers", default=sys.executable)
    parser.add_argument("--methods", nargs="*", default=_detect_peers.PEERS)
    parser.add_argument("--limit", type=float, default=300)
    asked = parser.parse_args()
    TABLES[asked.table](asked)


if __name__ == "__main__":
    main()
