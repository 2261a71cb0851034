"""What every layer on sequences shares: features, masks, resets, what was before the start."""

from typing import Any

import keras
from keras import ops

from lamina._common import Array, Causal, Shape, State
from lamina.temporal._inputs import check_features, checked_initial, mask_of


class Temporal(Causal):
    """A causal layer on `(batch, time, features)` whose rows may start again at any step."""

    def __init__(self, initial: str = "zeros", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initial = checked_initial(initial)
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        self.features = check_features(self, input_shape)
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: self.features})

    def step(
        self, x: Array, state: State, mask: Array | None = None, reset: Array | None = None
    ) -> tuple[Array, State]:
        """Outputs of a block `(batch, n, features)`, n >= 0, that follows `state`; the new state.

        `mask` and `reset` are `(batch, n)`. At a true `reset` its row starts again.
        """
        raise NotImplementedError(f"{type(self).__name__} must give `step`")

    def call(self, inputs: Array, mask: Array | None = None, reset: Array | None = None) -> Array:
        mask = mask_of(inputs) if mask is None else mask
        batch: Any = ops.shape(inputs)[0]
        return self.step(inputs, self.initial_state(batch), mask, reset)[0]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "initial": self.initial}
