"""lamina as `lamina detect FILE --fit TRAIN` runs it: fit, score; and its own alarms' window."""

import dataclasses

import numpy as np

from benchmarks.detection._labelled import Series
from benchmarks.detection.methods._windows import CAUSAL, MODES, RETROSPECTIVE, Found


def lamina(series: Series) -> Found:
    """`together`, and `causal` beside it where the detector gives two scores.

    A detector with one score is causal: so it is listed. What it refuses counts as a score of 0
    everywhere: nothing is found.
    """
    import keras

    from lamina_detect import BadInput, Detector

    try:
        x = series.x.astype("float32")
        detector = Detector().fit(x[: series.train], x) if series.train else Detector().fit(x)
        found = detector.score(x)
    except BadInput as error:
        return Found(dict.fromkeys(_modes(), np.zeros(len(series.x))), note=f"refused: {error}")
    finally:
        keras.backend.clear_session()
    scores = {CAUSAL: getattr(found, "causal", found.together), RETROSPECTIVE: found.together}
    whole = {mode: _whole(scores[mode]) for mode in _modes()}
    return Found(whole, int(detector.settings["window"]))


def _modes() -> tuple[str, ...]:
    from lamina_detect import Scores

    two = "causal" in {*dir(Scores), *(field.name for field in dataclasses.fields(Scores))}
    return MODES if two else (CAUSAL,)


def _whole(score: np.ndarray) -> np.ndarray:
    """A gap is as usual as can be."""
    return np.nan_to_num(np.asarray(score, "float64"), nan=0.0)
