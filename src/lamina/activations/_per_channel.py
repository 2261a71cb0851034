"""What the activations share: channels last, each step by itself."""

from typing import Any

import keras

from lamina._common import Shape, Stateless, received


class PerChannel(Stateless):
    """An elementwise layer with weights for each channel, the last axis."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def channels(self, input_shape: Shape) -> int:
        """The size of the last axis, or a ValueError."""
        if len(input_shape) < 2 or input_shape[-1] is None:
            raise ValueError(
                f"`{type(self).__name__}` takes inputs `(batch, ..., channels)` whose number of "
                f"channels is known. {received('input_shape', tuple(input_shape))}"
            )
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: input_shape[-1]})
        return input_shape[-1]
