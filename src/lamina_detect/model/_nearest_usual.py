"""Of what is learned, the shape that is nearest to a window."""

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from lamina_detect._common import Nearest, NearestShape
from lamina_detect.model import _density, _nearest_shape
from lamina_detect.recordings import Recording

if TYPE_CHECKING:
    from lamina_detect.model._detector import Detector

# The expert whose shapes, and windows, have no mean.
WITHOUT_LEVEL = "shape without level"


def nearest_usual(
    detector: "Detector", recording: Recording, peak: int, expert: str = ""
) -> Nearest | None:
    """The usual shapes that are nearest to the window around `peak`; None where all have a gap.

    In each scored lead, of the model's own shapes: a saved detector gives the same. The peak is in
    the middle of the window, as far as the recording reaches. Shapes without a level lie at the
    window's mean: those of the expert "shape without level", if it is `expert`, and those of the
    density where it judges alone; these lie on the slow wander, too, that its filter takes out.
    """
    known = detector.settings
    window, every = known["window"], known.get("every", 1)
    start = max(0, min(peak - window // 2, recording.length - window))
    centred = "nearest" not in known or expert == WITHOUT_LEVEL
    samples, judged = _windows(detector, recording, start, every)
    spread = _weights(detector, "standardise")[1]
    found = []
    for lead, name in enumerate(known["leads"]):
        x = judged[:, lead]
        if not np.isfinite(samples[:, lead]).all():
            continue
        shapes = _shapes(detector, lead, centred) + (x.mean() if centred else 0.0)
        distance = np.sqrt(((shapes - x) ** 2).mean(1))
        best = int(distance.argmin())
        usual = samples[:, lead] + (shapes[best] - x) * spread[lead]
        seen, usual = samples[:, lead].tolist(), usual.tolist()
        found.append(NearestShape(name, best, float(distance[best]), seen, usual))
    return Nearest(start, every, tuple(found)) if found else None


def _windows(
    detector: "Detector", recording: Recording, start: int, every: int
) -> tuple[np.ndarray, np.ndarray]:
    """`(lags, leads)`: the window from `start` on, and as it is compared, in ordinary spreads."""
    known = detector.settings
    window, leads = known["window"], list(known.get("used", range(len(known["leads"]))))
    first = max(0, start - known.get("settle", 0))
    x = recording.read(first, start + window)[:, leads].astype("float32")
    centre, spread = _weights(detector, "standardise")
    judged = (x - centre) / spread
    if "nearest" not in known:
        judged = np.where(np.isfinite(judged), judged, 0)
        highpass = detector.scorer.get_layer("highpass")
        filtered = highpass(judged[None].astype("float32"))
        judged = np.asarray(keras.ops.convert_to_numpy(filtered))[0]
    return _means(x[start - first :], every), _means(judged[start - first :], every)


def _means(x: np.ndarray, every: int) -> np.ndarray:
    whole = len(x) // every
    return x[: whole * every].astype("float64").reshape(whole, every, -1).mean(1)


def _weights(detector: "Detector", layer: str) -> list[np.ndarray]:
    return [np.asarray(w, "float64") for w in detector.scorer.get_layer(layer).get_weights()]


def _shapes(detector: "Detector", lead: int, centred: bool) -> np.ndarray:
    """Those that are in use, `(count, lags)`, oldest sample first, in ordinary spreads."""
    scorer: Any = detector.scorer
    if "nearest" not in detector.settings:
        return _pictures(scorer, lead)
    count = detector.settings["nearest"]
    kernel = np.asarray(scorer.get_layer(f"products_{lead}").get_weights()[0], "float64")
    norms = scorer.get_layer(f"nearest_{lead}").get_weights()[0][int(centred)]
    shapes = kernel[::-1, 0, int(centred) * count :][:, :count].T
    return shapes[norms < _nearest_shape.NEVER / 2]


def _pictures(scorer: Any, lead: int) -> np.ndarray:
    """The centres of the density, as windows."""
    density = scorer.get_layer("density")
    kernel = np.asarray(scorer.get_layer("coordinates").get_weights()[0], "float64")
    leads, components = density.leads, density.components
    kernel = kernel.reshape(len(kernel), leads, leads, components + 1)
    directions = kernel[::-1, lead, lead, :-1]
    weights = {w.name: np.asarray(keras.ops.convert_to_numpy(w)) for w in density.weights}
    there = weights["offset"][lead] > _density.NEVER / 2
    return weights["centres"][lead].T[there] @ np.linalg.pinv(directions)
