"""The first layers of the model: bring the samples to one scale, and say which can be judged."""

import keras
from keras import ops

OK, SILENT, GAP = 0.0, 1.0, 2.0


@keras.saving.register_keras_serializable(package="lamina_detect")
class Standardise(keras.layers.Layer):
    """Samples about 0, in units of the lead's ordinary spread; 0 where there is no sample.

        y[t] = (x[t] - centre) / scale    if x[t] is finite, else 0

    Streaming:
        Each sample by itself.
    """

    receptive_field = 1

    def build(self, input_shape):
        leads = (input_shape[-1],)
        self.centre = self.add_weight(name="centre", shape=leads, trainable=False)
        self.scale = self.add_weight(name="scale", shape=leads, initializer="ones", trainable=False)

    def initial_state(self, batch):
        return {}

    def step(self, x, state, mask=None):
        return self.call(x), state

    def call(self, inputs):
        standard = (inputs - self.centre) / self.scale
        return ops.where(ops.isfinite(inputs), standard, ops.zeros_like(standard))

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="lamina_detect")
class Steady(keras.layers.Layer):
    """Which samples can be judged: a factor for the score.

        y[t] = NaN   if one of the last `memory` samples is missing (NaN or infinite)
               0     if one of them is clipped, or lies before the start
               1     else

    `memory` is what the window and the filter remember. `rails` `(leads, 2)`: at or beyond them a
    sample is clipped.

    Streaming:
        State `past`: `(batch, memory - 1, leads)`.
    """

    def __init__(self, memory, **kwargs):
        super().__init__(**kwargs)
        self.memory = memory

    @property
    def receptive_field(self):
        return self.memory

    def build(self, input_shape):
        self.leads = input_shape[-1]
        rails = (self.leads, 2)
        self.rails = self.add_weight(name="rails", shape=rails, trainable=False)
        self.rails.assign([[float("-inf"), float("inf")]] * self.leads)

    def initial_state(self, batch):
        past = (batch, self.memory - 1, self.leads)
        return {"past": ops.full(past, SILENT, self.compute_dtype)}

    def step(self, x, state, mask=None):
        clipped = ops.logical_or(x <= self.rails[:, 0], x >= self.rails[:, 1])
        level = ops.where(clipped, SILENT, OK)
        level = ops.cast(ops.where(ops.isfinite(x), level, GAP), self.compute_dtype)
        seen = ops.concatenate([state["past"], level], axis=1)
        worst = _sliding_max(seen, self.memory)
        factor = ops.where(worst == GAP, float("nan"), ops.where(worst == SILENT, 0.0, 1.0))
        return ops.cast(factor, self.compute_dtype), {"past": seen[:, ops.shape(x)[1] :]}

    def call(self, inputs):
        return self.step(inputs, self.initial_state(ops.shape(inputs)[0]))[0]

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "memory": self.memory}


def _sliding_max(seen, window):
    """Maximum of every run of `window` steps, by doubling: log2(window) passes."""
    width = 1
    while width < window:
        shift = min(width, window - width)
        seen = ops.maximum(seen[:, shift:], seen[:, :-shift])
        width += shift
    return seen
