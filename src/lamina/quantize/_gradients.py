"""What the inputs of a quantizer get as their gradient, the output being exactly the row."""

import keras

from lamina._common import Array
from lamina._common._direct import direct as ops
from lamina.quantize._nearest import unit

GRADIENTS = ("straight_through", "rotation")
# In place of a length of 0; the value of vector-quantize-pytorch.
SHORTEST = 1e-6


def straight_through(values: Array, inputs: Array) -> Array:
    """Exactly `values`, to the bit, with the gradient of `inputs`.

    x - x is +0 for every finite number, and taking +0 away changes nothing, not even a -0; the
    usual x + (q - x) rounds. Where the input is not finite, the result is NaN.
    """
    return ops.stop_gradient(values) - (ops.stop_gradient(inputs) - inputs)


def passed_through(values: Array, inputs: Array, gradient: str) -> Array:
    """Exactly `values`, with the gradient that `gradient` names for `inputs`.

    "rotation": of the rotation and scaling that takes x to its row q, both held fixed,

        y = |q|/|x| (x - 2 w w.x + 2 u v.x)        v = x/|x|   u = q/|q|   w = (u + v)/|u + v|

    after Fifty et al., Restructuring Vector Quantization with the Rotation Trick (2024), 4.2.
    """
    if gradient != "rotation":
        return straight_through(values, inputs)
    # Squares leave the range of float16 early.
    wide = "float64" if keras.backend.standardize_dtype(values.dtype) == "float64" else "float32"
    rotated = _rotated(ops.cast(inputs, wide), ops.cast(ops.stop_gradient(values), wide))
    return ops.stop_gradient(values) - ops.cast(ops.stop_gradient(rotated) - rotated, values.dtype)


def _rotated(x: Array, q: Array) -> Array:
    fixed = ops.stop_gradient(x)
    before, after = _length(fixed), _length(q)
    v, u = fixed / ops.maximum(before, SHORTEST), q / ops.maximum(after, SHORTEST)
    w = unit(u + v)
    along: Array = ops.sum(x * w, axis=-1, keepdims=True)
    ahead: Array = ops.sum(x * v, axis=-1, keepdims=True)
    return (x - 2 * along * w + 2 * ahead * u) * (after / ops.maximum(before, SHORTEST))


def _length(x: Array) -> Array:
    return ops.sqrt(ops.sum(ops.square(x), axis=-1, keepdims=True))
