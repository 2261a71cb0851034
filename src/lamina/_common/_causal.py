"""The streaming protocol, written once: what every causal layer does alike."""

import keras
from keras import ops

from lamina._common._types import Array, Shape, State


class Causal(keras.layers.Layer):
    """Base of a layer whose output at t reads nothing after t.

    A subclass gives `receptive_field`, `initial_state` and `step`. The whole sequence is then one
    block that follows the fresh state: one piece of arithmetic, so that streaming is exact by
    construction. It has neither a state nor a constructor of its own.
    """

    @property
    def receptive_field(self) -> int | float:
        """Time steps that one output depends on, the current one included; `inf`: all of them."""
        raise NotImplementedError(f"{type(self).__name__} must give `receptive_field`")

    @property
    def block_size(self) -> int:
        """The number of steps that a block holds a multiple of; 1: any number."""
        return 1

    @property
    def output_ratio(self) -> int:
        """Outputs per input."""
        return 1

    def initial_state(self, batch: int) -> State:
        """The state of `batch` rows that have seen nothing."""
        raise NotImplementedError(f"{type(self).__name__} must give `initial_state`")

    def step(self, x: Array, state: State, mask: Array | None = None) -> tuple[Array, State]:
        """Outputs of a block `(batch, n, ...)`, n >= 0, that follows `state`; the new state."""
        raise NotImplementedError(f"{type(self).__name__} must give `step`")

    def call(self, inputs: Array, mask: Array | None = None) -> Array:
        return self.step(inputs, self.initial_state(ops.shape(inputs)[0]), mask)[0]


class Stateless(Causal):
    """Base of a causal layer that treats every step by itself: a subclass gives `call` alone."""

    @property
    def receptive_field(self) -> int | float:
        return 1

    def initial_state(self, batch: int) -> State:
        return {}

    def step(self, x: Array, state: State, mask: Array | None = None) -> tuple[Array, State]:
        return self.call(x, mask=mask), state

    def call(self, inputs: Array, mask: Array | None = None) -> Array:
        raise NotImplementedError(f"{type(self).__name__} must give `call`")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape
