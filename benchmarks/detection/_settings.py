"""What each part of the detector adds, and how settings chosen on some records do on another."""

import contextlib
import itertools
from collections.abc import Callable, Sequence
from unittest import mock

import keras
import numpy as np

import lamina
from benchmarks.detection._series import Quality, quality
from lamina_detect import Detector, Recording, _fit, _model
from lamina_detect._density import ShapeDensity
from lamina_detect._detector import _take_over
from lamina_detect._samples import samples_of

Change = Callable[[Detector, Recording], None]
Setting = tuple[float, int, float]
"""Window and cutoff as parts of the period, and the number of coordinates between them."""
Grid = dict[Setting, dict[str, Quality]]

WINDOWS = (0.5, 0.65, 0.8)
COMPONENTS = (6, 8, 12)
CUTOFFS = (0.4, 0.6, 0.9)


def changed(**fields: Callable[[np.ndarray], np.ndarray]) -> Change:
    """The codebooks with other values in some fields."""

    def change(detector: Detector, recording: Recording) -> None:
        for book in detector.codebooks:
            for field, value in fields.items():
                object.__setattr__(book, field, value(getattr(book, field)))
        _take_over(detector.scorer, detector.codebooks, detector.settings["level"])

    return change


def refined(detector: Detector, recording: Recording, epochs: int = 3, block: int = 8192) -> None:
    """The shapes trained further: the loss is the score itself, tapped at the density."""
    model = lamina.Tapped(detector.scorer, {"surprise": "density"})
    usual = lambda _, score: keras.ops.minimum(score, 20.0)  # noqa: E731
    model.compile(keras.optimizers.Adam(0.01), loss={"surprise": usual})
    x = np.nan_to_num(samples_of(recording)(0, recording.length))
    x = x[: len(x) // block * block].reshape(-1, block, x.shape[1])
    model.fit(x, {"surprise": np.zeros((*x.shape[:2], 1))}, 1, epochs, verbose=0)


def trainable_centres(
    layer: keras.Layer, name: str, trainable: bool, **asked: object
) -> keras.Variable:
    """As `add_weight`: whether TensorFlow can train a variable is fixed when it is created."""
    return keras.layers.Layer.add_weight(layer, name=name, trainable=name == "centres", **asked)


def nothing(detector: Detector, recording: Recording) -> None:
    """As it is."""


# What is different: settings of `Detector`, values of modules, a change after `fit`.
ABLATIONS = {
    "as landed": ({}, (), nothing),
    "one width for all shapes": ({}, (), changed(width=lambda w: np.full_like(w, np.median(w)))),
    "all shapes equally frequent": ({}, (), changed(share=lambda f: np.full_like(f, 1 / len(f)))),
    "without the energy left out": ({}, (), changed(rest=lambda r: np.full_like(r, np.inf))),
    "without the high-pass": ({}, ((_model, "CUTOFF_OF_PERIOD", 1e-5),), nothing),
    "clipped stretches scored": (
        {},
        ((_fit, "find_rails", lambda x, run: [-np.inf, np.inf]),),
        nothing,
    ),
    "looking back a fifth of a period": ({}, ((_fit, "WINDOW_OF_PERIOD", 0.2),), nothing),
    "shapes refined by gradient (loss on an intermediate output)": (
        {},
        ((ShapeDensity, "add_weight", trainable_centres),),
        refined,
    ),
    "4 coordinates": ({"components": 4}, (), nothing),
    "16 coordinates": ({"components": 16}, (), nothing),
    "1 shape": ({"shapes": 1}, (), nothing),
    "20 shapes": ({"shapes": 20}, (), nothing),
    "50 shapes": ({"shapes": 50}, (), nothing),
    "100 shapes": ({"shapes": 100}, (), nothing),
    "400 shapes": ({"shapes": 400}, (), nothing),
}


def ablated(variant: str, learn: Recording, score: Recording) -> Quality:
    """The quality of a detector that is different in one part."""
    settings, values, change = ABLATIONS[variant]
    with contextlib.ExitStack() as stack:
        for module, name, value in values:
            stack.enter_context(mock.patch.object(module, name, value))
        detector = Detector(**settings).fit(learn)
    change(detector, learn)
    return quality(detector.score(score).together, score)


def grid(pairs: Sequence[tuple[str, Recording, Recording]]) -> Grid:
    """`{setting: {name: quality}}` for every setting of the grid."""
    found = {}
    for window, components, cutoff in itertools.product(WINDOWS, COMPONENTS, CUTOFFS):
        with (
            mock.patch.object(_fit, "WINDOW_OF_PERIOD", window),
            mock.patch.object(_model, "CUTOFF_OF_PERIOD", cutoff),
        ):
            found[window, components, cutoff] = {
                name: quality(
                    Detector(components=components).fit(learn).score(score).together, score
                )
                for name, learn, score in pairs
            }
        keras.backend.clear_session()
    return found


def chosen_without(name: str, found: Grid) -> Setting:
    """The setting that is best on all records but one, by the sum of area and precision."""

    def merit(setting: Setting) -> float:
        return sum(v.roc + v.ap for other, v in found[setting].items() if other != name)

    return max(found, key=merit)
