"""Between the space of the inputs and that of a table with fewer features."""

from typing import Any

import keras
from keras import ops

from lamina._common import Array, Shape
from lamina._common._fast import jit_compiled, product


class Projection(keras.layers.Layer):
    """Two affine maps: inputs to vectors that rows are compared with, and rows to the output."""

    def __init__(self, features: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features = features

    def build(self, input_shape: Shape) -> None:
        def weight(name: str, shape: Shape, initializer: str) -> keras.Variable:
            return self.add_weight(name=name, shape=shape, initializer=initializer, autocast=False)

        width = input_shape[-1]
        self.kernel_in = weight("kernel_in", (width, self.features), "glorot_uniform")
        self.bias_in = weight("bias_in", (self.features,), "zeros")
        self.kernel_out = weight("kernel_out", (self.features, width), "glorot_uniform")
        self.bias_out = weight("bias_out", (width,), "zeros")
        self.built = True

    def into(self, inputs: Array) -> Array:
        """Inputs `(n, width)` as vectors `(n, features)`."""
        return product(inputs, self.kernel_in.value) + self.bias_in.value

    def table(self, rows: Array) -> Array:
        """Rows `(codes, features)` as they are added to the output, `(codes, width)`."""
        return _affine(rows, self.kernel_out.value, self.bias_out.value)

    def out_of(self, rows: Array, codes: Array, through: Array) -> Array:
        """The projected rows of `codes`: exactly those of `table`, as a decoder has them.

        `through` is the row of each code with the gradient for the vectors: it gives its gradient
        alone. The maps get theirs through the rows.
        """
        # A copy: PyTorch keeps what a product was made of, and the table is assigned to in place.
        table = self.table(ops.copy(ops.stop_gradient(rows)))
        values = ops.take(table, ops.maximum(codes, 0), axis=0)
        nothing = ops.stop_gradient(through) - through
        return values - product(nothing, ops.stop_gradient(self.kernel_out.value))


@jit_compiled
def _affine(rows: Array, kernel: Array, bias: Array) -> Array:
    return product(rows, kernel) + bias
