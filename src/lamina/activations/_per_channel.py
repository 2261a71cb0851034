"""What the activations share: channels last, each step by itself."""

import keras

from lamina._common import received


class PerChannel(keras.layers.Layer):
    """An elementwise layer with weights for each channel, the last axis."""

    receptive_field = 1
    block_size = 1
    output_ratio = 1

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def channels(self, input_shape):
        """The size of the last axis, or a ValueError."""
        if len(input_shape) < 2 or input_shape[-1] is None:
            raise ValueError(
                f"`{type(self).__name__}` takes inputs `(batch, ..., channels)` whose number of "
                f"channels is known. {received('input_shape', tuple(input_shape))}"
            )
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: input_shape[-1]})
        return input_shape[-1]

    def initial_state(self, batch):
        """Nothing: each step stands by itself."""
        return {}

    def step(self, x, state, mask=None, reset=None):
        """A block of steps."""
        return self.call(x), state

    def compute_output_shape(self, input_shape):
        return input_shape
