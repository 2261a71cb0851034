"""An inclusive scan along time for every backend, TensorFlow graphs of unknown length included.

`keras.ops.associative_scan` needs a static length on TensorFlow. This one doubles (Hillis and
Steele, CACM 29, 1986): log2(time) passes over the array, by shifts and `combine` alone.
"""

from collections.abc import Callable
from typing import Any

from keras import ops

from lamina._common import Array


def scan_time(combine: Callable[[Array, Array], Array], x: Array, identity: float) -> Array:
    """Running `combine` of `x` `(batch, time, ...)` along time.

    `combine(earlier, later)` is associative; `identity` (a number) is neutral on its left.
    """

    def one_pass(shift: Any, y: Array) -> Array:
        head = ops.full_like(y[:, :shift], identity)
        return combine(ops.concatenate([head, y[:, : ops.shape(y)[1] - shift]], axis=1), y)

    time = ops.shape(x)[1]
    if isinstance(time, int):
        shift = 1
        while shift < time:
            x = one_pass(shift, x)
            shift *= 2
        return x

    # Only a TensorFlow graph has an unknown length.
    def body(shift: Array, y: Array) -> tuple[Array, Array]:
        z = one_pass(shift, y)
        return shift * 2, ops.reshape(z, ops.shape(y))

    return ops.while_loop(
        lambda shift, y: shift < ops.shape(y)[1], body, (ops.convert_to_tensor(1, "int32"), x)
    )[1]
