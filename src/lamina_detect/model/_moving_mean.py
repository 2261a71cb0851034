"""The mean of what was there within a window."""

from typing import Any

import keras
from keras import ops

from lamina.streaming import Causal
from lamina_detect.model._types import Shape, State, Tensor


@keras.saving.register_keras_serializable(package="lamina_detect")
class MovingMean(Causal):
    """The mean of the last `window` values, of those that are no NaN; NaN where all are.

    What was before the first value counts as NaN.

    Streaming:
        State `past`: `(batch, window - 1, features)`.
    """

    def __init__(self, window: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.window = window

    @property
    def receptive_field(self) -> int:
        return self.window

    def build(self, input_shape: Shape) -> None:
        self.features: Any = input_shape[-1]

    def initial_state(self, batch: int) -> State:
        past = (batch, self.window - 1, self.features)
        return {"past": ops.full(past, float("nan"), self.compute_dtype)}

    def step(self, x: Tensor, state: State, mask: Tensor | None = None) -> tuple[Tensor, State]:
        seen = ops.concatenate([state["past"], x], axis=1)
        there = ops.logical_not(ops.isnan(seen))
        total = _sliding_sum(ops.where(there, seen, ops.zeros_like(seen)), self.window)
        count = _sliding_sum(ops.cast(there, seen.dtype), self.window)
        return total / count, {"past": seen[:, ops.shape(x)[1] :]}

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "window": self.window}


def _sliding_sum(seen: Tensor, window: int) -> Tensor:
    """The sum of every run of `window` steps, by doubling: no running sum that loses digits."""
    n = ops.shape(seen)[1] - window + 1
    power, width, total, reached = seen, 1, None, 0
    while width <= window:
        if window & width:
            part = power[:, reached : reached + n]
            total = part if total is None else total + part
            reached += width
        if 2 * width <= window:
            power = power[:, width:] + power[:, :-width]
        width *= 2
    return total
