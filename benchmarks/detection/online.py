"""Numenta's score of `lamina watch`, online: docs/measurements/series.md.

    python -m benchmarks.detection.online DATA

DATA holds `NAB-PART/NAME.npz` (benchmarks/detection/_labelled.py). The detector learns from the
first 15 % of each file and nothing after it, and gives the causal score of the rest. Alarms are
those of `lamina watch`, and count where they begin. `own`: at the threshold that `lamina detect`
leaves with the model; `best`: at the one that fits the labels best, the same for all files, as in
the published figures.
"""

import argparse
import dataclasses
import pathlib
import sys
from collections.abc import Callable

import numpy as np

from benchmarks.detection import _numenta
from benchmarks.detection._alarms import watched
from benchmarks.detection._labelled import Series, files_of, kind_of
from benchmarks.detection._tables import table
from lamina_detect.live._alarms import CALM, rule_for
from lamina_detect.results import FLOOR, BlockMaxima, Tail, causal_threshold, tail_of

# Windows of quiet that end an alarm, `lamina watch --calm`; the default among them.
CALMS = (1, 2, 4, CALM, 8)
THRESHOLDS = np.geomspace(1, 100, 41)


@dataclasses.dataclass(frozen=True)
class Online:
    """A file's labels, causal score, window, and the detector's own threshold and tail."""

    y: np.ndarray
    score: np.ndarray
    window: int
    threshold: float
    tail: Tail


def scored(series: Series) -> Online:
    """Learned from the probation only."""
    import keras

    from lamina_detect import Detector

    x, learned = series.x.astype("float32"), _numenta.probation(len(series.x))
    detector = Detector().fit(x[:learned])
    window = int(detector.settings["window"])
    score = np.nan_to_num(detector.score(x).causal)
    keras.backend.clear_session()
    return known_of(series, score, window)


def by_chance(series: Series) -> Online:
    score = np.random.default_rng(0).exponential(size=len(series.x))
    return known_of(series, score, series.window)


def known_of(series: Series, score: np.ndarray, window: int) -> Online:
    maxima = BlockMaxima(window)
    maxima.add(score[: _numenta.probation(len(score))])
    maxima.close()
    threshold = causal_threshold(maxima)
    # Where no rate can be stated, the floor.
    threshold = threshold if np.isfinite(threshold) else FLOOR
    return Online(series.y, score, window, threshold, tail_of(maxima))


def begins(
    score: np.ndarray, threshold: float, window: int, calm: float, tail: Tail | None = None
) -> list[int]:
    """Where the alarms of `lamina watch` begin; `calm` in windows."""
    rule = rule_for(threshold, tail, window, ("score",), int(calm * window))
    return [first for first, _ in watched(score, rule)]


def numenta(files: list[Online], threshold: Callable[[Online], float], calm: float) -> float:
    return _numenta.normalised(
        _numenta.of_file(f.y, begins(f.score, threshold(f), f.window, calm, f.tail)) for f in files
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
        for calm in CALMS:
            at = {t: numenta(files, lambda _, t=t: t, calm) for t in THRESHOLDS.tolist()}
            best = max(at, key=lambda t: at[t])
            own = numenta(files, lambda f: f.threshold, calm) if name == "lamina" else float("nan")
            rows.append((name, calm, f"{own:.1f}", f"{at[best]:.1f}", f"{best:.2f}"))
    print(table(["score", "calm", "own threshold", "best threshold", "which is"], rows))


if __name__ == "__main__":
    main()
