"""How rare a value is among those that were learned."""

from typing import Any

import keras
import numpy as np
from keras import ops

from lamina.streaming import Stateless
from lamina_detect.model._types import Shape, Tensor

# Between so many quantiles the logarithm is a straight line: they are 0.06 apart in it.
KNOTS = 64
# Of what was learned, this part is the tail: beyond it, an exponential one. Chosen among .8 to .99
# on two thirds of the known series, where it matters little (docs/detection.md).
TAIL = 0.02
# The width of the last piece: infinity could become NaN.
ENDLESS = float(np.finfo("float32").max)


@keras.saving.register_keras_serializable(package="lamina_detect")
class TailProbability(Stateless):
    """Minus the logarithm of how often a value at least as high came; 0: always.

        y = sum_k slope_k clip(x - knot_k, 0, width_k)

    For each feature by itself, and for values of at least 0. The last piece has no end: a value
    beyond all that came scores by how far beyond it lies. Until `assign`, y = x. NaN stays NaN.

    Streaming:
        Each value by itself.
    """

    def build(self, input_shape: Shape) -> None:
        features: Any = input_shape[-1]
        shape = (features, KNOTS + 2)
        self.knot = self.add_weight(name="knot", shape=shape, trainable=False)
        self.width = self.add_weight(name="width", shape=shape, trainable=False)
        self.slope = self.add_weight(name="slope", shape=shape, trainable=False)
        tables = [np.zeros((3, KNOTS + 2)) for _ in range(features)]
        for table in tables:
            table[1:, 0] = ENDLESS, 1
        self._assign(np.stack(tables, 1))

    def assign(self, history: np.ndarray) -> None:
        """Learn from values `(count, features)`; NaN does not count."""
        self._assign(np.stack([tail_table(column) for column in history.T], 1))

    def _assign(self, tables: np.ndarray) -> None:
        for weight, values in zip((self.knot, self.width, self.slope), tables, strict=True):
            weight.assign(values)

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        # An edge runtime's minimum may take NaN for a number.
        absent = ops.isnan(inputs)
        x = ops.where(absent, ops.zeros_like(inputs), inputs)
        beyond = ops.minimum(ops.relu(x[..., None] - self.knot), self.width)
        return ops.where(absent, float("nan"), ops.sum(beyond * self.slope, -1))


def tail_table(values: np.ndarray) -> np.ndarray:
    """Knots, widths and slopes `(3, KNOTS + 2)` of one feature."""
    values = np.sort(values[np.isfinite(values)].astype("float64"))
    count = len(values)
    if not count:
        return np.zeros((3, KNOTS + 2))
    ranks = count * (1 - np.exp(-np.linspace(0, -np.log(TAIL), KNOTS)))
    knots = np.unique(values[np.minimum(ranks.astype(int), count - 1)])
    least = count - np.searchsorted(values, knots, side="left")
    heights = -np.log((least + 0.5) / (count + 1))
    beyond = values[values > knots[-1]]
    excess = beyond - knots[-1]
    # With hardly anything beyond, the spread of all.
    scale = float(excess.mean()) if len(excess) > 3 else float(values.std()) + 1e-9
    scale = max(scale, 1e-9)
    if len(beyond) and heights[-1] < -np.log(TAIL):
        # Most values are equal: the first one that is higher is in the tail.
        knots = np.append(knots, beyond[0])
        heights = np.append(heights, -np.log(TAIL) + excess[0] / scale)
    table = np.zeros((3, KNOTS + 2))
    table[0, : len(knots)] = knots
    table[1, : len(knots)] = [*np.diff(knots), ENDLESS]
    rise = np.diff(heights) / np.maximum(np.diff(knots), 1e-30)
    table[2, : len(knots)] = [*rise, 1 / scale]
    return table
