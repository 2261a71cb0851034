"""What each part of the detector adds, and how settings chosen on some records do on another."""

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock

import keras
import numpy as np

import lamina
from benchmarks.detection._series import Quality, quality
from lamina_detect import Detector, Recording
from lamina_detect.model import ShapeDensity, assign_codebooks

Change = Callable[[Detector, Recording], None]
Setting = tuple[float, int, float]
"""Window in periods, number of coordinates, cutoff in cycles per period."""
Grid = dict[Setting, dict[str, Quality]]

WINDOWS = (0.5, 0.65, 0.8)
COMPONENTS = (6, 8, 12)
CUTOFFS = (0.4, 0.6, 0.9)


def with_codebooks(**fields: Callable[[np.ndarray], np.ndarray]) -> Change:
    """The codebooks with other values in some fields."""

    def change(detector: Detector, recording: Recording) -> None:
        detector.codebooks = [
            dataclasses.replace(
                book, **{field: value(getattr(book, field)) for field, value in fields.items()}
            )
            for book in detector.codebooks
        ]
        assign_codebooks(detector.scorer, detector.codebooks)

    return change


def refined(detector: Detector, recording: Recording, epochs: int = 3, block: int = 8192) -> None:
    """The shapes trained further: the loss is the score itself, tapped at the density."""
    model = lamina.Tapped(detector.scorer, {"surprise": "density"})
    usual = lambda _, score: keras.ops.minimum(score, 20.0)  # noqa: E731
    model.compile(keras.optimizers.Adam(0.01), loss={"surprise": usual})
    x = np.nan_to_num(recording.read(0, recording.length))
    x = x[: len(x) // block * block].reshape(-1, block, x.shape[1])
    model.fit(x, {"surprise": np.zeros((*x.shape[:2], 1))}, 1, epochs, verbose=0)


def trainable_centres(
    layer: keras.Layer, name: str, trainable: bool, **options: Any
) -> keras.Variable:
    """As `add_weight`: whether TensorFlow can train a variable is fixed when it is created."""
    return keras.layers.Layer.add_weight(layer, name=name, trainable=name == "centres", **options)


@dataclasses.dataclass(frozen=True)
class Variant:
    """A detector that is different in one part: by its settings, or by a change after `fit`."""

    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    change: Change | None = None
    trains_centres: bool = False


ABLATIONS = {
    "as landed": Variant(),
    "one width for all shapes": Variant(
        change=with_codebooks(width=lambda w: np.full_like(w, np.median(w)))
    ),
    "all shapes equally frequent": Variant(
        change=with_codebooks(share=lambda f: np.full_like(f, 1 / len(f)))
    ),
    "without the energy left out": Variant(
        change=with_codebooks(rest=lambda r: np.full_like(r, np.inf))
    ),
    "without the high-pass": Variant({"cutoff_of_period": 1e-5}),
    "clipped stretches scored": Variant({"gate_clipped": False}),
    "looking back a fifth of a period": Variant({"window_of_period": 0.2}),
    "shapes refined by gradient (loss on an intermediate output)": Variant(
        change=refined, trains_centres=True
    ),
    "4 coordinates": Variant({"components": 4}),
    "16 coordinates": Variant({"components": 16}),
    "1 shape": Variant({"shapes": 1}),
    "20 shapes": Variant({"shapes": 20}),
    "50 shapes": Variant({"shapes": 50}),
    "100 shapes": Variant({"shapes": 100}),
    "400 shapes": Variant({"shapes": 400}),
}


def ablated(name: str, learn: Recording, score: Recording) -> Quality:
    """The quality of a variant."""
    variant = ABLATIONS[name]
    with contextlib.ExitStack() as stack:
        if variant.trains_centres:
            stack.enter_context(mock.patch.object(ShapeDensity, "add_weight", trainable_centres))
        detector = Detector(**variant.settings).fit(learn)
    if variant.change:
        variant.change(detector, learn)
    return quality(detector.score(score).causal, score)


def grid(pairs: Sequence[tuple[str, Recording, Recording]]) -> Grid:
    """`{setting: {name: quality}}` for every setting of the grid."""
    found = {}
    for window, components, cutoff in itertools.product(WINDOWS, COMPONENTS, CUTOFFS):
        settings = dict(window_of_period=window, components=components, cutoff_of_period=cutoff)
        found[window, components, cutoff] = {
            name: quality(Detector(**settings).fit(learn).score(score).causal, score)
            for name, learn, score in pairs
        }
        keras.backend.clear_session()
    return found


def chosen_without(name: str, found: Grid) -> Setting:
    """The setting that is best on all records but one, by the sum of area and precision."""

    def merit(setting: Setting) -> float:
        return sum(v.roc + v.ap for other, v in found[setting].items() if other != name)

    return max(found, key=merit)
