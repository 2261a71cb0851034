"""lamina as a user runs it from Python: fit, score; and its own alarms' window."""

import numpy as np

from benchmarks.detection._labelled import Series
from benchmarks.detection.methods._windows import CAUSAL, RETROSPECTIVE, Found


def lamina(series: Series) -> Found:
    """`together`, and `causal` beside it where the detector gives two scores.

    A detector with one score is causal: so it is listed.
    """
    import keras

    from lamina_detect import Detector

    detector = Detector().fit(series.learned.astype("float32"))
    found = detector.score(series.x.astype("float32"))
    causal = getattr(found, "causal", None)
    if causal is None:
        scores = {CAUSAL: found.together}
    else:
        scores = {RETROSPECTIVE: found.together, CAUSAL: causal}
    window = int(detector.settings["window"])
    keras.backend.clear_session()
    return Found({mode: _whole(score) for mode, score in scores.items()}, window)


def _whole(score: np.ndarray) -> np.ndarray:
    """A gap is as usual as can be."""
    return np.nan_to_num(np.asarray(score, "float64"), nan=0.0)
