"""The matrix profile of the series with itself, by stumpy; causal: with what came before only.

    python -m benchmarks.detection.methods.matrix_profile

A process of its own: stumpy's numba goes with other versions of NumPy than the other parts do. It
waits for lines `IN.npz OUT.npz`, since compiling takes it half a minute.
"""

import contextlib
import functools
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

from benchmarks.detection._labelled import Series
from benchmarks.detection.methods._windows import (
    CAUSAL,
    RETROSPECTIVE,
    Found,
    by_lead,
    centred,
    ended,
    windows,
)

ROOT = pathlib.Path(__file__).resolve().parents[3]


def matrix_profile(series: Series, python: str) -> Found:
    """By the interpreter `python`, which has stumpy."""
    with tempfile.TemporaryDirectory() as folder:
        given, found = pathlib.Path(folder) / "given.npz", pathlib.Path(folder) / "found.npz"
        np.savez(given, x=series.x, window=series.window)
        process = _process(python)
        with contextlib.suppress(BrokenPipeError):  # It could not start: said below.
            print(given, found, file=process.stdin, flush=True)
        if not process.stdout.readline():
            _process.cache_clear()
            error = process.communicate()[1].strip()
            if "No module named 'stumpy'" in error:
                raise ModuleNotFoundError("stumpy is not installed: name its Python by --peers")
            raise RuntimeError((error.splitlines() or ["no error message"])[-1])
        values = np.load(found)["values"]
    leads = iter(values)

    def of_lead(known: np.ndarray, x: np.ndarray, window: int) -> dict[str, np.ndarray]:
        nearest, nearest_before = next(leads)
        return {
            RETROSPECTIVE: centred(nearest, len(x), window),
            CAUSAL: ended(nearest_before, len(x), window),
        }

    return by_lead(series, of_lead)


@functools.cache
def _process(python: str) -> subprocess.Popen:
    """It ends when its input does: with this process."""
    pipe = subprocess.PIPE
    command = [python, "-m", "benchmarks.detection.methods.matrix_profile"]
    return subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def _profiles(x: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances of each window to the nearest one, and to the nearest before it."""
    import stumpy

    found = stumpy.stump(x, window)
    nearest = np.nan_to_num(found[:, 0].astype(float), posinf=0)
    before, there = found[:, 2].astype(int), found[:, 2].astype(int) >= 0
    distance = np.zeros(len(nearest))
    v = windows(x, window)
    distance[there] = np.linalg.norm(_normal(v[there]) - _normal(v[before[there]]), axis=1)
    return nearest, distance


def _normal(v: np.ndarray) -> np.ndarray:
    spread = v.std(1, keepdims=True)
    return (v - v.mean(1, keepdims=True)) / np.where(spread < 1e-7, 1, spread)


def main() -> None:
    for line in sys.stdin:
        given, out = line.split()
        data = np.load(given)
        window = int(data["window"])
        np.savez(out, values=[_profiles(lead.copy(), window) for lead in data["x"].T])
        print("done", flush=True)


if __name__ == "__main__":
    main()
