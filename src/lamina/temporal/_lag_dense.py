"""A dense layer over chosen lags."""

from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from lamina._common import Array, Shape, invalid, is_integer, positive_integer, received, register
from lamina._common._fast import add_bias, causal_convolution, convolution, product
from lamina.temporal._int8 import Int8Kernel
from lamina.temporal._memory import FiniteMemory, Taps


@register
class LagDense(Int8Kernel, FiniteMemory):
    """A dense layer over the samples at chosen lags.

        y[t] = activation(sum_i x[t - lags[i]] @ kernel[i] + bias)

    The cost follows the number of lags, not the largest one. With consecutive lags it is a causal
    convolution: `LagDense(units, (2, 1, 0))` equals `keras.layers.Conv1D(units, 3,
    padding="causal")` with the same kernel.

    Args:
        units: Outputs per time step.
        lags: How many steps back to look: distinct integers, 0 for the current sample.
        activation: As in `keras.layers.Dense`; none by default.
        use_bias: Whether to add a bias.
        initial: What was before the first sample: `"zeros"`, or `"edge"` for the row's first
            valid sample repeated.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
            kernel_constraint, bias_constraint: As in `keras.layers.Dense`. `kernel` is
            `(len(lags), features, units)`, in the order of `lags`.

    Input shape:
        `(batch, time, features)`. Any of batch and time may be unknown or 0. `call` also takes
        `reset` `(batch, time)`: where it is true, the row starts again at that sample.

    Output shape:
        `(batch, time, units)`.

    Masking:
        A masked sample counts as 0 and time goes on; its own output is 0. The mask passes on. So
        a row padded on the left, with its mask, gives what the row alone gives.

    Streaming:
        `step(x, state, mask=None, reset=None)` on blocks of any length. State `past`:
        `(batch, max(lags), features)`; with `initial="edge"` also `started`: `(batch,)`.
        Receptive field: `max(lags) + 1`.

    Raises:
        ValueError: if `units` is not a positive integer, if `lags` are not distinct integers of
            at least 0, or if an input is not `(batch, time, features)` of real numbers.

    Example:
        >>> layer = LagDense(1, lags=(0, 3), kernel_initializer="ones")
        >>> layer(np.array([[[1.0], [2.0], [3.0], [4.0], [5.0]]]))[0, :, 0]
        [1.0, 2.0, 3.0, 5.0, 7.0]
    """

    def __init__(
        self,
        units: int,
        lags: Iterable[int],
        activation: Any = None,
        use_bias: bool = True,
        initial: str = "zeros",
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(lags=checked_lags(lags), initial=initial, **kwargs)
        self.units = positive_integer("units", units, "the number of outputs per time step")
        self.activation: Any = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)

    @classmethod
    def from_conv1d(cls, layer: keras.layers.Conv1D) -> "LagDense":
        """A `LagDense` that does what a causal `keras.layers.Conv1D` does, with its weights."""
        refuse_conv1d(layer)
        config = layer.get_config()
        taken = ("name", "trainable", "dtype", "activation", "use_bias", "activity_regularizer")
        shared = ("initializer", "regularizer", "constraint")
        keys = [*taken, *(f"{weight}_{of}" for weight in ("kernel", "bias") for of in shared)]
        size, dilation = layer.kernel_size[0], layer.dilation_rate[0]
        new = cls._with_lags(
            layer.filters,
            tuple(dilation * i for i in reversed(range(size))),
            {key: config[key] for key in keys},
        )
        if layer.built:
            new.build((None, None, layer.kernel.shape[1]))
            new.set_weights(layer.get_weights())
        return new

    @classmethod
    def _with_lags(cls, units: int, lags: tuple[int, ...], config: dict[str, Any]) -> "LagDense":
        return cls.from_config({**config, "units": units, "lags": lags})

    @property
    def columns(self) -> int:
        """Columns of the kernel."""
        return self.units

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        self.add_kernel(
            (len(self.lags), self.features, self.columns),
            self.kernel_initializer,
            self.kernel_regularizer,
            self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.columns,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def _from_start(self, x: Array) -> Array:
        y = None
        if set(self.lags) == set(range(len(self.lags))):
            bias = None if self.bias is None else ops.cast(self.bias, self.compute_dtype)
            y = causal_convolution(x, self._oldest_first(), bias)
        return super()._from_start(x) if y is None else self._activated(y)

    def _oldest_first(self) -> Array:
        """The kernel in the order of time."""
        order = sorted(range(len(self.lags)), key=lambda i: -self.lags[i])
        kernel = self.kernel_values()
        if order == list(range(len(self.lags))):
            return kernel
        return ops.take(kernel, ops.convert_to_tensor(order, "int32"), axis=0)

    def _from_seen(self, seen: Array, n: Any) -> Array:
        if isinstance(n, int) and n == 1:
            return self._one(seen)
        oldest_first = sorted(self.lags, reverse=True)
        newest, oldest = oldest_first[-1], oldest_first[0]
        # A convolution needs consecutive lags, and refuses an output of no steps.
        if oldest - newest + 1 != len(self.lags) or (isinstance(n, int) and n == 0):
            return super()._from_seen(seen, n)
        kernel = self._oldest_first()
        if newest > 0:
            seen = seen[:, : ops.shape(seen)[1] - newest]
        return self._activate(convolution(seen, kernel))

    def _one(self, seen: Array) -> Array:
        """A single step as one matrix product of known shape: a short graph, once exported."""
        places = [max(self.lags) - lag for lag in self.lags]
        if places != list(range(max(self.lags) + 1)):
            seen = ops.take(seen, ops.convert_to_tensor(places, "int32"), axis=1)
        window = len(self.lags) * self.features
        return self._activate(self._product(ops.reshape(seen, (-1, window))))[:, None]

    def _from_taps(self, taps: Taps) -> Array:
        inputs = taps(self.lags)
        batch, n = ops.shape(inputs)[:2]
        window = len(self.lags) * self.features
        y = self._product(ops.reshape(inputs, (batch * n, window)))
        return self._activate(ops.reshape(y, (batch, n, self.columns)))

    def _product(self, windows: Array) -> Array:
        kernel = ops.reshape(self.kernel_values(), (windows.shape[1], self.columns))
        return product(windows, kernel)

    def _activate(self, y: Array) -> Array:
        if self.bias is not None:
            y = add_bias(y, ops.cast(self.bias, self.compute_dtype))
        return self._activated(y)

    def _activated(self, y: Array) -> Array:
        return self.activation(y)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "lags": self.lags,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
        }


def checked_lags(lags: Iterable[int]) -> tuple[int, ...]:
    """`lags` as a tuple of plain ints, or a ValueError."""
    try:
        values = tuple(lags)
    except TypeError:
        values = ()
    valid = all(is_integer(lag) and lag >= 0 for lag in values)
    if not values or not valid or len(set(values)) < len(values):
        wanted = (
            "distinct whole numbers of steps to look back, at least one, each at least 0 (0 is "
            "the current sample): for example (0, 1, 7)"
        )
        raise invalid("lags", wanted, lags)
    return tuple(int(v) for v in values)


def refuse_conv1d(layer: keras.layers.Layer) -> None:
    """A ValueError unless `layer` is a convolution that lags can express."""
    if not isinstance(layer, keras.layers.Conv1D):
        raise ValueError(f"`from_conv1d` takes a `keras.layers.Conv1D`. {received('layer', layer)}")
    wanted = dict(padding="causal", strides=(1,), groups=1, data_format="channels_last")
    for name, value in wanted.items():
        if getattr(layer, name) != value:
            raise ValueError(
                f"`from_conv1d` takes a `Conv1D` with {name}={value!r}: only that looks back, "
                f"one output a sample, over all features. {received(name, getattr(layer, name))}"
            )
