"""Corpora made up for the tests, and the command that scores them."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq

from lamina_detect import Detector
from tests.detect.support import pulses

ROOT = pathlib.Path(__file__).resolve().parents[2]


def make_corpus(folder, count, length=1500):
    """`count` recordings, each with one odd beat, in two folders."""
    for number in range(count):
        path = folder / f"ward{number % 2}" / f"r{number:03}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, pulses(length, odd=(5 + number % 7,), seed=number).astype("float32"))
    return folder


def make_model(path):
    """A small detector that was fitted on a usual recording."""
    Detector(shapes=20).fit(pulses(3000)).save(path)
    return path


def command(source, out, *more):
    """`lamina detect --from`, as a list for subprocess."""
    start = [sys.executable, "-m", "lamina_cli", "detect", "--from", source, "--out", out]
    return [str(part) for part in (*start, *more)]


def environment(**more):
    paths = [*more.pop("paths", ()), ROOT / "src", ROOT]
    known = {**os.environ, **more, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    return known | {"TF_CPP_MIN_LOG_LEVEL": "3"}


def detect(source, out, *more, **variables):
    """Run it to its end: exit code and what it printed."""
    done = subprocess.run(
        command(source, out, *more), capture_output=True, text=True, env=environment(**variables)
    )
    return done.returncode, done.stdout + done.stderr


def rows(out, folder="summary"):
    """All rows of a folder of parts."""
    parts = sorted((pathlib.Path(out) / folder).glob("part-*.parquet"))
    return [row for part in parts for row in pq.read_table(part).to_pylist()]


def contents(out):
    """The bytes of all events and scores, and the summaries without what each run measures."""
    found = {
        f"{folder}/{part.name}": part.read_bytes()
        for folder in ("events", "scores")
        for part in sorted((pathlib.Path(out) / folder).glob("*"))
    }
    for row in rows(out):
        found[row["id"]] = {k: v for k, v in row.items() if k != "seconds"}
    return found


def hidden(out):
    """What no run leaves behind: files with a dot, but the lock and who holds it."""
    names = (p for p in pathlib.Path(out).rglob(".*") if p.is_file())
    return [p.name for p in names if p.name not in (".lock", ".driver.json")]


def children(pid):
    """The processes that a process started."""
    path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


def workers_of(pid):
    """Those of a driver that are workers; another is multiprocessing's own."""
    found = []
    for child in children(pid):
        line = pathlib.Path(f"/proc/{child}/cmdline")
        if line.exists() and b"spawn_main" in line.read_bytes():
            found.append(child)
    return found


def is_alive(pid):
    status = pathlib.Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def wait_for(what, seconds=300):
    """Until `what()` is true."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
    return found


def parts(out):
    return len(list((pathlib.Path(out) / "summary").glob("part-*.parquet")))


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
