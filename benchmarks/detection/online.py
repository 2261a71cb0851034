"""Numenta's score of `lamina watch`, online: docs/measurements/series.md.

    python -m benchmarks.detection.online DATA

DATA holds `NAB-PART/NAME.npz` (benchmarks/detection/_labelled.py). The detector learns from the
first 15 % of each file and nothing after it, and gives the causal score of the rest. An alarm
counts where it begins. `own`: at the threshold that `lamina detect` leaves with the model;
`best`: at the one that fits the labels best, the same for all files, as in the published figures.
"""

import argparse
import dataclasses
import pathlib
import sys
from collections.abc import Callable

import numpy as np

from benchmarks.detection import _numenta
from benchmarks.detection._labelled import Series, files_of, kind_of
from benchmarks.detection._tables import table

# An alarm has ended when so many windows lay below this part of the threshold.
LOWER, CALM = 0.5, 1
THRESHOLDS = np.geomspace(1, 100, 41)


@dataclasses.dataclass(frozen=True)
class Online:
    """A file's labels, causal score, window, and the detector's own threshold."""

    y: np.ndarray
    score: np.ndarray
    window: int
    threshold: float


def scored(series: Series) -> Online:
    """Learned from the probation only."""
    import keras

    from lamina_detect import Detector
    from lamina_detect.results import FLOOR, BlockMaxima, causal_threshold

    x, learned = series.x.astype("float32"), _numenta.probation(len(series.x))
    detector = Detector().fit(x[:learned])
    window = int(detector.settings["window"])
    score = np.nan_to_num(detector.score(x).causal)
    maxima = BlockMaxima(window)
    maxima.add(score[:learned])
    maxima.close()
    threshold = causal_threshold(maxima)
    keras.backend.clear_session()
    # Where no rate can be stated, the floor.
    return Online(series.y, score, window, threshold if np.isfinite(threshold) else FLOOR)


def by_chance(series: Series) -> Online:
    score = np.random.default_rng(0).exponential(size=len(series.x))
    return Online(series.y, score, series.window, float("nan"))


def begins(score: np.ndarray, threshold: float, calm: int) -> list[int]:
    """Where alarms begin: once each, until `calm` samples in a row lie below `LOWER` of it."""
    found, quiet, on = [], 0, False
    for row, value in enumerate(score):
        if not on and value >= threshold:
            found.append(row)
            on = True
        quiet = 0 if value >= LOWER * threshold else quiet + 1
        on = on and quiet < calm
    return found


def numenta(files: list[Online], threshold: Callable[[Online], float]) -> float:
    return _numenta.normalised(
        _numenta.of_file(f.y, begins(f.score, threshold(f), CALM * f.window)) for f in files
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=pathlib.Path, help="the folder of series")
    paths = [p for p in files_of(parser.parse_args().data) if kind_of(p) == "NAB"]
    if not paths:
        sys.exit("No NAB-PART/NAME.npz there.")
    series = [Series.load(path) for path in paths]
    rows = []
    for name, score in (("lamina", scored), ("random", by_chance)):
        files = [score(one) for one in series]
        at = {t: numenta(files, lambda _, t=t: t) for t in THRESHOLDS.tolist()}
        best = max(at, key=lambda t: at[t])
        own = numenta(files, lambda f: f.threshold) if name == "lamina" else float("nan")
        rows.append((name, f"{own:.1f}", f"{at[best]:.1f}", f"{best:.2f}"))
    print(table(["score", "own threshold", "best threshold", "which is"], rows))


if __name__ == "__main__":
    main()
