"""The first layers of the model: bring the samples to one scale, and mark which can be judged."""

from typing import Any

import keras
from keras import ops

from lamina.streaming import Causal, Stateless
from lamina_detect.model._types import Shape, State, Tensor

# In the order of the worst: the maximum over the past is what the newest sample comes to.
VALID, CLIPPED, MISSING = 0.0, 1.0, 2.0


@keras.saving.register_keras_serializable(package="lamina_detect")
class Standardise(Stateless):
    """Samples about 0, in units of the lead's ordinary spread; 0 where there is no sample.

        y[t] = (x[t] - centre) / scale    if x[t] is finite, else 0

    Streaming:
        Each sample by itself.
    """

    def build(self, input_shape: Shape) -> None:
        leads = (input_shape[-1],)
        self.centre = self.add_weight(name="centre", shape=leads, trainable=False)
        self.scale = self.add_weight(name="scale", shape=leads, initializer="ones", trainable=False)

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        standard = (inputs - self.centre) / self.scale
        return ops.where(ops.isfinite(inputs), standard, ops.zeros_like(standard))


# The registered name is the one of the first version: saved models know it.
@keras.saving.register_keras_serializable(package="lamina_detect", name="Steady")
class ScoreGate(Causal):
    """Which samples can be judged: a factor for the score.

        y[t] = NaN   if one of the last `memory` samples is missing (NaN or infinite)
               0     if one of them is clipped, or lies before the start
               1     else

    `memory` is what the window and the filter remember. `rails` `(leads, 2)`: at or beyond them a
    sample is clipped.

    Streaming:
        State `past`: `(batch, memory - 1, leads)`.
    """

    def __init__(self, memory: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.memory = memory

    @property
    def receptive_field(self) -> int:
        return self.memory

    def build(self, input_shape: Shape) -> None:
        self.leads: Any = input_shape[-1]
        rails = (self.leads, 2)
        self.rails = self.add_weight(name="rails", shape=rails, trainable=False)
        self.rails.assign([[float("-inf"), float("inf")]] * self.leads)

    def initial_state(self, batch: int) -> State:
        past = (batch, self.memory - 1, self.leads)
        return {"past": ops.full(past, CLIPPED, self.compute_dtype)}

    def step(self, x: Tensor, state: State, mask: Tensor | None = None) -> tuple[Tensor, State]:
        clipped = ops.logical_or(x <= self.rails[:, 0], x >= self.rails[:, 1])
        level = ops.where(clipped, CLIPPED, VALID)
        level = ops.cast(ops.where(ops.isfinite(x), level, MISSING), self.compute_dtype)
        seen = ops.concatenate([state["past"], level], axis=1)
        worst = _sliding_max(seen, self.memory)
        factor = ops.where(worst == MISSING, float("nan"), ops.where(worst == CLIPPED, 0.0, 1.0))
        return ops.cast(factor, self.compute_dtype), {"past": seen[:, ops.shape(x)[1] :]}

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "memory": self.memory}


# A `.keras` file calls a layer's weights by its class, whatever name it is registered under: in
# those of the first version they are at "steady".
ScoreGate.__name__ = "Steady"


def _sliding_max(seen: Tensor, window: int) -> Tensor:
    """Maximum of every run of `window` steps, by doubling: log2(window) passes."""
    width = 1
    while width < window:
        shift = min(width, window - width)
        seen = ops.maximum(seen[:, shift:], seen[:, :-shift])
        width += shift
    return seen
