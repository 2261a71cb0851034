"""A second-order Volterra series."""

import functools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from lamina._common import Array, Shape, positive_integer, received, register
from lamina._common._fast import convolution, product
from lamina.temporal._memory import FiniteMemory, Taps


@register
class Volterra(FiniteMemory):
    """A linear filter and every product of two entries of the window: lags and channels alike.

        y[t] = activation(sum_i h[i] z[i] + sum_{i <= j} q[i, j] z[i] z[j] + bias)

    with the window z = (x[t], x[t-1], ..., x[t-memory+1]), all features of one step after the
    other: z[lag * features + feature]. With `rank` the products are sum_q (a_q . z)(b_q . z).

    Args:
        units: Outputs per time step.
        memory: Steps of the window, the current one included.
        order: 2; or 1 for the linear part alone.
        rank: Products of two linear forms per unit instead of all pairs: fewer weights.
        activation: As in `keras.layers.Dense`; none by default.
        use_bias: Whether to add a bias.
        initial: What was before the first sample: `"zeros"`, or `"edge"` for the row's first
            valid sample repeated.
        kernel_initializer: Of `linear` `(memory * features, units)`, and of `left` and `right`
            `(memory * features, units * rank)` where there is a `rank`.
        quadratic_initializer: Of `quadratic` `(pairs, units)`: pair (i, j), i <= j, in the order
            of `numpy.triu_indices`, each unordered pair once.

    Input shape:
        `(batch, time, features)`. Any of batch and time may be unknown or 0. `call` also takes
        `reset` `(batch, time)`: where it is true, the row starts again at that sample.

    Output shape:
        `(batch, time, units)`.

    Masking:
        A masked sample counts as 0 and time goes on; its own output is 0. The mask passes on.

    Streaming:
        State `past`: `(batch, memory - 1, features)`; with `initial="edge"` also `started`:
        `(batch,)`. Receptive field: `memory`.

    Raises:
        ValueError: if `units`, `memory` or `rank` is not a positive integer, or if `order` is
            neither 1 nor 2.

    Example:
        >>> layer = Volterra(1, memory=2, kernel_initializer="zeros", quadratic_initializer="ones")
        >>> layer(np.array([[[1.0], [2.0], [3.0]]]))[0, :, 0]
        [1.0, 7.0, 19.0]

    Reference:
        Mathews and Sicuranza, Polynomial Signal Processing (2000), chapter 2.
    """

    def __init__(
        self,
        units: int,
        memory: int,
        order: int = 2,
        rank: int | None = None,
        activation: Any = None,
        use_bias: bool = True,
        initial: str = "zeros",
        kernel_initializer: Any = "glorot_uniform",
        quadratic_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        memory = positive_integer("memory", memory, "the steps of the window")
        super().__init__(lags=range(memory), initial=initial, **kwargs)
        if order not in (1, 2):
            raise ValueError(
                "`order` must be 1 (linear) or 2 (with products of two); for products of three "
                f"stack two layers. {received('order', order)}"
            )
        self.units = positive_integer("units", units, "the number of outputs per time step")
        self.memory = memory
        self.order = order
        if rank is not None:
            rank = positive_integer("rank", rank, "the number of products per unit")
        self.rank = rank
        self.activation: Any = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.quadratic_initializer = keras.initializers.get(quadratic_initializer)

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        window = self.memory * self.features
        self.linear = self._weight("linear", (window, self.units), self.kernel_initializer)
        if self.order == 2 and self.rank is None:
            pairs = window * (window + 1) // 2
            shape, start = (pairs, self.units), self.quadratic_initializer
            self.quadratic = self._weight("quadratic", shape, start)
        elif self.order == 2 and self.rank:
            shape = (window, self.units * self.rank)
            self.left = self._weight("left", shape, self.kernel_initializer)
            self.right = self._weight("right", shape, self.kernel_initializer)
        self.bias = self._weight("bias", (self.units,), "zeros") if self.use_bias else None

    def _weight(self, name: str, shape: Shape, initializer: Any) -> Any:
        return self.add_weight(name=name, shape=shape, initializer=initializer)

    def _from_seen(self, seen: Array, n: Any) -> Array:
        if isinstance(n, int) and n == 0:
            return super()._from_seen(seen, n)
        y = _convolved(seen, self._by_lag(self.linear, self.units))
        if self.order == 2 and self.rank is None:
            steps = ops.shape(seen)[1]
            for delay, kernel in self._kernels():
                now, then = seen[:, delay:], seen[:, : steps - delay]
                y = y + _convolved(_products(now, then, delay), kernel)
        elif self.order == 2 and self.rank:
            columns = self.units * self.rank
            left = _convolved(seen, self._by_lag(self.left, columns))
            y = y + self._summed(left * _convolved(seen, self._by_lag(self.right, columns)))
        return self._activate(y)

    def _from_taps(self, taps: Taps) -> Array:
        inputs = taps(self.lags)
        batch, n = ops.shape(inputs)[:2]
        z = ops.reshape(inputs, (batch * n, self.memory * self.features))
        y = product(z, self._cast(self.linear))
        if self.order == 2 and self.rank is None:
            for delay, kernel in self._kernels():
                now, then = inputs[:, :, : self.memory - delay], inputs[:, :, delay:]
                size = kernel.shape[0] * kernel.shape[1]
                pairs = ops.reshape(_products(now, then, delay), (batch * n, size))
                y = y + product(pairs, ops.reshape(kernel, (size, self.units)))
        elif self.order == 2 and self.rank:
            left = product(z, self._cast(self.left))
            y = y + self._summed(left * product(z, self._cast(self.right)))
        return self._activate(ops.reshape(y, (batch, n, self.units)))

    def _kernels(self) -> Iterator[tuple[int, Array]]:
        """For each delay between two entries: the weights of its pairs, `(lags, pairs, units)`.

        Pairs of one delay are one product series, filtered: lag a of x[t] x[t - delay] is the
        pair of lags a and a + delay.
        """
        weights = self._cast(self.quadratic)
        for delay, places in _pair_places(self.memory, self.features):
            kernel = ops.take(weights, ops.convert_to_tensor(places.ravel()), axis=0)
            yield delay, ops.reshape(kernel, (*places.shape, self.units))

    def _by_lag(self, weight: Array, columns: int) -> Array:
        return ops.reshape(self._cast(weight), (self.memory, self.features, columns))

    def _cast(self, weight: Array) -> Array:
        return ops.cast(weight, self.compute_dtype)

    def _summed(self, products: Array) -> Array:
        """The sum over the products of each unit: `(..., units * rank)` -> `(..., units)`."""
        shape = (*ops.shape(products)[:-1], self.units, self.rank)
        return ops.sum(ops.reshape(products, shape), axis=-1)

    def _activate(self, y: Array) -> Array:
        if self.bias is not None:
            y = y + self._cast(self.bias)
        return self.activation(y)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "memory": self.memory,
            "order": self.order,
            "rank": self.rank,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "quadratic_initializer": keras.initializers.serialize(self.quadratic_initializer),
        }


@functools.cache
def _pair_places(memory: int, features: int) -> list[tuple[int, np.ndarray]]:
    """For each delay, the rows of `quadratic` of its pairs: `(lags, pairs of features)`."""
    window = memory * features
    rows = np.zeros((window, window), "int32")
    rows[np.triu_indices(window)] = np.arange(window * (window + 1) // 2)
    rows = rows.reshape(memory, features, memory, features)
    found = []
    for delay in range(memory):
        lags = np.arange(memory - delay)
        places = rows[lags, :, lags + delay]  # (lags, features now, features then)
        if delay == 0:
            now, then = np.triu_indices(features)
            found.append((delay, places[:, now, then]))
        else:
            found.append((delay, places.reshape(len(lags), features**2)))
    return found


def _products(now: Array, then: Array, delay: int) -> Array:
    """Every pair of features of `now` and `then`, each unordered pair once if they are one."""
    features = now.shape[-1]
    if delay == 0:
        first, second = (ops.convert_to_tensor(i, "int32") for i in np.triu_indices(features))
        return ops.take(now, first, axis=-1) * ops.take(then, second, axis=-1)
    shape = (*ops.shape(now)[:-1], features**2)
    return ops.reshape(now[..., :, None] * then[..., None, :], shape)


def _convolved(x: Array, kernel: Array) -> Array:
    """`x` filtered by `kernel` `(lags, features, units)`, lag 0 first, without borders."""
    return convolution(x, ops.flip(kernel, axis=0))
