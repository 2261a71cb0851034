"""Dilated residual lag layers."""

import keras
from keras import ops

from lamina._common import positive_integer, received, register
from lamina.temporal._inputs import check_features, marks_of, mask_of, real_input
from lamina.temporal._lag_dense import LagDense


@register
class TemporalBlock(keras.layers.Layer):
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
        `reset` `(batch, time)`: where it is true, the row starts anew at that sample.

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
        units,
        size=3,
        dilations=(1, 2, 4, 8),
        activation="relu",
        initial="zeros",
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units, "the number of outputs per time step")
        self.size = positive_integer("size", size, "the samples that each layer looks at")
        if isinstance(dilations, int | str) or not len(dilations):
            raise ValueError(
                "`dilations` must be the steps between samples for each layer: for example "
                f"(1, 2, 4). {received('dilations', dilations)}"
            )
        meaning = "the steps between samples of a layer"
        self.dilations = tuple(positive_integer("dilations", d, meaning) for d in dilations)
        self.activation = keras.activations.get(activation)
        self.initial = initial
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.supports_masking = True
        self.layers = [self._layer(d, f"lags_{i}") for i, d in enumerate(self.dilations)]
        self.projection = None
        self._quantized = None  # the policy of layers that were saved quantized

    def _layer(self, dilation, name):
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
    def receptive_field(self):
        """Time steps that one output depends on, the current one included."""
        return 1 + (self.size - 1) * sum(self.dilations)

    @property
    def block_size(self):
        """A block may hold any number of steps."""
        return 1

    @property
    def output_ratio(self):
        """Outputs per input."""
        return 1

    def build(self, input_shape):
        features = check_features(self, input_shape)
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: features})
        if features != self.units:
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

    def initial_state(self, batch):
        """The state of `batch` rows that have seen nothing."""
        return {
            f"{layer.name}_{name}": value
            for layer in self.layers
            for name, value in layer.initial_state(batch).items()
        }

    def step(self, x, state, mask=None, reset=None):
        """Outputs of a block `(batch, n, features)`, n >= 0, that follows `state`; the new state.

        `mask` and `reset` are `(batch, n)`. A true `reset` starts its row anew at that step.
        """
        x = real_input(self, x)
        mask = marks_of("mask", mask, x)
        if mask is not None:
            x = ops.where(mask[..., None], x, ops.zeros((), x.dtype))
        if self.projection is not None:
            x = self.projection.step(x, self.projection.initial_state(ops.shape(x)[0]))[0]
        after = {}
        for layer in self.layers:
            names = layer.initial_state(0)
            own = {name: state[f"{layer.name}_{name}"] for name in names}
            y, own = layer.step(x, own, mask, reset)
            x = x + y
            after |= {f"{layer.name}_{name}": value for name, value in own.items()}
        return x, after

    def call(self, inputs, mask=None, reset=None):
        mask = mask_of(inputs) if mask is None else mask
        fresh = self.initial_state(ops.shape(inputs)[0])
        return self.step(inputs, fresh, mask, reset)[0]

    def get_build_config(self):
        # Nothing for an unbuilt layer: Keras takes a layer with any build config for built.
        config = super().get_build_config()
        return config and {**config, "quantized": self.layers[0].quantization_mode}

    def build_from_config(self, config):
        """Layers that were saved quantized are built so."""
        mode, self._quantized = config.pop("quantized", None), None
        if mode is not None:
            self._quantized = keras.dtype_policies.get(f"{mode}_from_{self.dtype_policy.name}")
        super().build_from_config(config)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "size": self.size,
            "dilations": self.dilations,
            "activation": keras.activations.serialize(self.activation),
            "initial": self.initial,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
