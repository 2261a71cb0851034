"""Dilated residual lag layers."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from lamina._common import Array, Shape, State, invalid, positive_integer, register
from lamina.temporal._inputs import mark_zero, marks_of, real_input
from lamina.temporal._lag_dense import LagDense
from lamina.temporal._temporal import Temporal


@register
class TemporalBlock(Temporal):
    """A stack of residual lag layers that look back further and further.

        h[0] = x, or x @ W where the features are not `units`
        h[i+1] = h[i] + activation(LagDense(units, lags=d_i * (0 ... size - 1))(h[i]))

    The dilations d_i are used as given, powers of two or not.

    Args:
        units: Outputs per time step.
        size: Samples that each layer looks at.
        dilations: Steps between them, for each layer.
        activation: Of each layer; ReLU by default.
        initial: What each layer has before the first sample: `"zeros"`, or `"edge"` for its first
            valid sample repeated.
        kernel_initializer: Of each kernel.

    Input shape:
        `(batch, time, features)`. Any of batch and time may be unknown or 0. `call` also takes
        `reset` `(batch, time)`: where it is true, the row starts again at that sample.

    Output shape:
        `(batch, time, units)`.

    Masking:
        As `LagDense`, in every layer. The mask passes on.

    Streaming:
        State `<layer>_past` (and `<layer>_started`) of each layer. Receptive field:
        `1 + (size - 1) * sum(dilations)`.

    Raises:
        ValueError: if `units`, `size` or a dilation is not a positive integer.

    Example:
        >>> block = TemporalBlock(8, size=3, dilations=(1, 2, 4))
        >>> block.receptive_field, block(np.zeros((2, 50, 3))).shape
        (15, (2, 50, 8))

    Reference:
        Bai, Kolter and Koltun, arXiv:1803.01271: here one convolution a residual, no dropout.
    """

    def __init__(
        self,
        units: int,
        size: int = 3,
        dilations: Sequence[int] = (1, 2, 4, 8),
        activation: Any = "relu",
        initial: str = "zeros",
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(initial=initial, **kwargs)
        self.units = positive_integer("units", units, "the number of outputs per time step")
        self.size = positive_integer("size", size, "the samples that each layer looks at")
        if isinstance(dilations, int | str) or not len(dilations):
            wanted = "the steps between samples for each layer: for example (1, 2, 4)"
            raise invalid("dilations", wanted, dilations)
        meaning = "the steps between samples of a layer"
        self.dilations = tuple(positive_integer("dilations", d, meaning) for d in dilations)
        self.activation = keras.activations.get(activation)
        self.kernel_initializer: Any = keras.initializers.get(kernel_initializer)
        self.layers = [self._layer(d, f"lags_{i}") for i, d in enumerate(self.dilations)]
        self.projection = None
        self._quantized = None  # the policy of layers that were saved quantized

    def _layer(self, dilation: int, name: str) -> LagDense:
        return LagDense(
            self.units,
            tuple(dilation * i for i in reversed(range(self.size))),
            activation=self.activation,
            initial=self.initial,
            kernel_initializer=self.kernel_initializer.clone(),
            dtype=self.dtype_policy,
            name=name,
        )

    @property
    def receptive_field(self) -> int:
        return 1 + (self.size - 1) * sum(self.dilations)

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        if self.features != self.units:
            self.projection = LagDense(
                self.units, (0,), use_bias=False, dtype=self.dtype_policy, name="projection"
            )
        for layer in [self.projection, *self.layers]:
            if layer is None:
                continue
            if self._quantized is not None:
                layer.dtype_policy = self._quantized
            layer.build(input_shape)
            input_shape = (*input_shape[:-1], self.units)

    def initial_state(self, batch: int) -> State:
        return {
            f"{layer.name}_{name}": value
            for layer in self.layers
            for name, value in layer.initial_state(batch).items()
        }

    def step(
        self, x: Array, state: State, mask: Array | None = None, reset: Array | None = None
    ) -> tuple[Array, State]:
        x = real_input(self, x)
        mask = marks_of("mask", mask, x)
        x = mark_zero(x, mask)
        if self.projection is not None:
            batch: Any = ops.shape(x)[0]
            x = self.projection.step(x, self.projection.initial_state(batch))[0]
        after = {}
        for layer in self.layers:
            names = layer.initial_state(0)
            own = {name: state[f"{layer.name}_{name}"] for name in names}
            y, own = layer.step(x, own, mask, reset)
            x = x + y
            after |= {f"{layer.name}_{name}": value for name, value in own.items()}
        return x, after

    def get_build_config(self) -> dict[str, Any] | None:
        # Nothing for an unbuilt layer: Keras takes a layer with any build config for built.
        config = super().get_build_config()
        return config and {**config, "quantized": self.layers[0].quantization_mode}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Layers that were saved quantized are built so."""
        mode, self._quantized = config.pop("quantized", None), None
        if mode is not None:
            self._quantized = keras.dtype_policies.get(f"{mode}_from_{self.dtype_policy.name}")
        super().build_from_config(config)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "size": self.size,
            "dilations": self.dilations,
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
