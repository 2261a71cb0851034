"""The last layers of the model: how usual a window is, lead by lead and together."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from lamina.streaming import Stateless
from lamina_detect.model._shapes import Shapes
from lamina_detect.model._types import Shape, Tensor

# An average window's distance to its shape lowers the logarithm by 1/2, as in a normal density, and
# the energy left out by this much: half of that. Chosen on the four MIT-BIH records, where it
# changes little; without it the spike of InternalBleeding16 is missed (docs/detection.md).
REST_WEIGHT = 0.25
# The logarithm of the share of a shape that is not in use: its exp is 0 in every float; -inf could
# become NaN.
NEVER = -1e9


@keras.saving.register_keras_serializable(package="lamina_detect")
class ShapeDensity(Stateless):
    """Minus the logarithm of how often windows like this one came: 0 is as usual as can be.

        s = -log sum_k f_k (w_0 / w_k)^(q/2) exp(-|z - c_k|^2 / (2 w_k) - r / (4 r_k))

    For each lead: z are the window's q coordinates, r the energy that they leave out. Shape k has
    its place c_k, its share f_k of the windows, and its widths w_k in and r_k outside of the
    coordinates; w_0 is the smallest w_k.

    Input shape:
        `[(batch, time, leads * (components + 1)), (batch, time, leads)]`: for each lead the
        coordinates and sqrt(window) times the mean; and the window's energy.

    Output shape:
        `(batch, time, leads)`

    Streaming:
        Each window by itself.
    """

    def __init__(self, components: int, shapes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.components = components
        self.shapes = shapes

    def build(self, input_shape: Any) -> None:
        self.leads = input_shape[1][-1]
        shapes = (self.leads, self.shapes)
        places = (self.leads, self.components, self.shapes)
        self.centres = self.add_weight(name="centres", shape=places, trainable=False)
        self.within = self.add_weight(name="within", shape=shapes, trainable=False)
        self.outside = self.add_weight(name="outside", shape=shapes, trainable=False)
        self.offset = self.add_weight(name="offset", shape=shapes, trainable=False)

    def assign(self, codebooks: Sequence[Shapes]) -> None:
        """Take the codebooks, one per lead, as weights."""
        centres, offset = np.zeros(self.centres.shape), np.full(self.offset.shape, NEVER)
        within, outside = np.zeros(self.within.shape), np.zeros(self.outside.shape)
        for lead, book in enumerate(codebooks):
            count = len(book.centres)
            width = book.width.astype("float64")
            centres[lead, :, :count] = book.centres.T
            within[lead, :count] = 0.5 / width
            outside[lead, :count] = REST_WEIGHT / book.rest
            spread = self.components / 2 * np.log(width / width.min())
            offset[lead, :count] = np.log(book.share) - spread
        self.centres.assign(centres)
        self.within.assign(within)
        self.outside.assign(outside)
        self.offset.assign(offset)

    def call(self, inputs: Sequence[Tensor], mask: Tensor | None = None) -> Tensor:
        coordinates, energy = inputs
        scores, each = [], self.components + 1
        for lead in range(self.leads):
            z = coordinates[..., lead * each : (lead + 1) * each]
            # The energy left out: of the window, less the coordinates' and the mean's.
            rest = ops.relu(energy[..., lead : lead + 1] - ops.sum(z**2, -1, keepdims=True))
            logits = self.offset[lead] - self.outside[lead] * rest
            logits = logits - self.within[lead] * self._distance(z, lead)
            scores.append(-ops.logsumexp(logits, axis=-1, keepdims=True))
        return ops.concatenate(scores, -1)

    def _distance(self, z: Tensor, lead: int) -> Tensor:
        """`|z - c_k|^2`, by differences: expanded, it cancels where shapes are narrow."""
        each = [(z[..., i : i + 1] - self.centres[lead, i]) ** 2 for i in range(self.components)]
        return sum(each[1:], each[0])

    def compute_output_shape(self, input_shape: Any) -> Shape:
        return input_shape[1]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "components": self.components,
            "shapes": self.shapes,
        }


@keras.saving.register_keras_serializable(package="lamina_detect")
class LeadScores(Stateless):
    """The leads' scores, and last their mean over the leads that are not in a gap.

    Args:
        settings: What the model was made with. It counts for nothing here: the last layer of a
            saved detector is where they are kept.

    Input shape:
        `[scores (batch, time, leads), factors (batch, time, leads)]`, factors 1, 0 or NaN.

    Output shape:
        `(batch, time, leads + 1)`

    Streaming:
        Each sample by itself.
    """

    def __init__(self, settings: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = dict(settings or {})

    def keep(self, **more: Any) -> None:
        """Keep `more` with the settings: plain JSON."""
        self.settings = {**self.settings, **more}

    def call(self, inputs: Sequence[Tensor], mask: Tensor | None = None) -> Tensor:
        scores, factors = inputs
        scores = scores * factors
        there = ops.cast(ops.logical_not(ops.isnan(factors)), scores.dtype)
        total = ops.sum(ops.where(ops.isnan(scores), 0.0, scores), -1, keepdims=True)
        # No lead at all: 0 / 0, a gap.
        return ops.concatenate([scores, total / ops.sum(there, -1, keepdims=True)], -1)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        *before, leads = input_shape[0]
        return (*before, leads + 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "settings": dict(self.settings)}
