"""The streaming protocol, written once: what every causal layer does alike."""

from typing import Any

import keras
from keras import ops

from lamina._common._types import Array, Shape, State


class Causal(keras.layers.Layer):
    """Base of a layer whose output at t reads nothing after t.

    A subclass gives `receptive_field`, `initial_state` and `step`. The whole sequence is then one
    block that follows the fresh state: one piece of arithmetic, so that streaming is exact by
    construction. It has neither a state nor a constructor of its own.

    Streaming:
        `Stream` runs any layer that has `receptive_field`, `initial_state` and `step`, of this
        class or not. What `step` returns as state has the names that `initial_state` gives.

    Raises:
        NotImplementedError: where a subclass leaves out what it must give.

    Example:
        >>> class RunningSum(lamina.streaming.Causal):
        ...     @property
        ...     def receptive_field(self):
        ...         return float("inf")
        ...
        ...     def initial_state(self, batch):
        ...         return {"sum": keras.ops.zeros((batch, 1))}
        ...
        ...     def step(self, x, state, mask=None):
        ...         y = state["sum"][:, None] + keras.ops.cumsum(x, axis=1)
        ...         return y, {"sum": keras.ops.concatenate([state["sum"][:, None], y], 1)[:, -1]}
        >>> model = keras.Sequential([keras.Input((None, 1)), RunningSum()])
        >>> stream = lamina.Stream(model)
        >>> stream.push(np.array([[[1.0], [2.0]]]))[0, :, 0]
        [1.0, 3.0]
        >>> stream.step(np.array([[4.0]]))
        [[7.0]]
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
        batch: Any = ops.shape(inputs)[0]
        return self.step(inputs, self.initial_state(batch), mask)[0]


class Stateless(Causal):
    """Base of a causal layer that treats every step by itself: a subclass gives `call` alone.

    Streaming:
        No state, receptive field 1.

    Raises:
        NotImplementedError: where a subclass leaves out `call`.

    Example:
        >>> class Square(lamina.streaming.Stateless):
        ...     def call(self, inputs, mask=None):
        ...         return inputs**2
        >>> model = keras.Sequential([keras.Input((None, 1)), Square()])
        >>> lamina.Stream(model).step(np.array([[3.0]]))
        [[9.0]]
    """

    @property
    def receptive_field(self) -> int | float:
        return 1

    def initial_state(self, batch: int) -> State:
        return {}

    def step(
        self, x: Array, state: State, mask: Array | None = None, reset: Array | None = None
    ) -> tuple[Array, State]:
        """The outputs of a block. A `reset` `(batch, n)` changes nothing: no step sees another."""
        return self.call(x, mask=mask), state

    def call(self, inputs: Array, mask: Array | None = None) -> Array:
        raise NotImplementedError(f"{type(self).__name__} must give `call`")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape
