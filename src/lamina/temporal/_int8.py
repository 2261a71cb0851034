"""8-bit kernels, by Keras' own quantizers, for `model.quantize("int8")`."""

from typing import Any

import keras
from keras import ops

from lamina._common import Array, Shape, received


class Int8Kernel(keras.layers.Layer):
    """Base of a layer with a weight `kernel` whose last axis is the outputs.

    Quantized, the kernel is int8 with one scale per output, and is multiplied out at use: a
    quarter of the memory, the same arithmetic.
    """

    def add_kernel(self, shape: Shape, initializer: Any, regularizer: Any, constraint: Any) -> None:
        """The kernel, or, for a layer that was saved quantized, its int8 form."""
        if self.quantization_mode is not None:
            self.quantized_build(shape, self.quantization_mode)
            return
        self.kernel = self.add_weight(
            name="kernel",
            shape=shape,
            initializer=initializer,
            regularizer=regularizer,
            constraint=constraint,
        )

    def quantized_build(self, input_shape: Shape, mode: str) -> None:
        """The int8 kernel of shape `input_shape` and its scales."""
        only_int8(self, mode)
        self.kernel = self.add_weight(
            name="kernel", shape=input_shape, initializer="zeros", dtype="int8", trainable=False
        )
        self.kernel_scale = self.add_weight(
            name="kernel_scale", shape=input_shape[-1:], initializer="ones", trainable=False
        )
        self._is_quantized = True

    def quantize(
        self, mode: str | None = None, type_check: bool = True, config: Any = None
    ) -> None:
        """Replaces the kernel by its int8 form; `model.quantize("int8")` calls it."""
        only_int8(self, mode)
        values: Array = ops.convert_to_tensor(self.kernel)
        axes = list(range(len(values.shape) - 1))
        small, scale = keras.quantizers.abs_max_quantize(values, axis=axes, to_numpy=True)
        shape = tuple(self.kernel.shape)
        del self.kernel
        self.quantized_build(shape, "int8")
        self.kernel.assign(small)
        self.kernel_scale.assign(ops.reshape(scale, shape[-1:]))
        policy = keras.dtype_policies.get(f"{mode}_from_{self.dtype_policy.name}")
        self.dtype_policy = policy

    def quantized_call(self, *args: Any, **kwargs: Any) -> Array:
        """As `call`: only the kernel is stored otherwise."""
        return self.call(*args, **kwargs)

    def kernel_values(self) -> Array:
        """The kernel as it is multiplied."""
        if self.quantization_mode is None:
            return ops.cast(self.kernel, self.compute_dtype)
        scale = ops.cast(self.kernel_scale, self.compute_dtype)
        return ops.cast(self.kernel, self.compute_dtype) / scale


def only_int8(layer: keras.layers.Layer, mode: str | None) -> None:
    """A NotImplementedError, which `model.quantize` reports and passes over, for other modes."""
    if mode != "int8":
        raise NotImplementedError(
            f'`{type(layer).__name__}` can be quantized to "int8" only. {received("mode", mode)}'
        )
