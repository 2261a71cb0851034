"""Conjugate gradients for a batch of linear systems."""

from collections.abc import Callable

import keras
from keras import ops

from lamina._common import Array, is_exporting

# The unit of each dtype: 1 and the next number are this far apart.
_UNIT = {"bfloat16": 2.0**-7, "float16": 2.0**-10, "float32": 2.0**-23, "float64": 2.0**-52}


def conjugate_gradients(apply: Callable[[Array], Array], b: Array, iterations: int) -> Array:
    """x with `apply(x) = b`, each row by itself, after at most `iterations` steps from 0.

    A row that is solved to the precision of its dtype stays as it is.

    Reference:
        Hestenes and Stiefel, J. Res. Natl. Bur. Stand. 49 (1952).
    """
    dtype = keras.backend.standardize_dtype(b.dtype)
    # Rounding stops progress near the unit of the dtype: going on would divide 0 by 0.
    smallest = _dot(b, b) * _UNIT[dtype] ** 2

    def step(count: Array, x: Array, r: Array, p: Array, rr: Array) -> tuple[Array, ...]:
        q = apply(p)
        pq = _dot(p, q)
        active = ops.logical_and(rr > smallest, pq > 0)
        zero, one = ops.zeros_like(rr), ops.ones_like(rr)
        alpha = ops.where(active, rr, zero) / ops.where(active, pq, one)
        x, r = x + alpha * p, r - alpha * q
        new = _dot(r, r)
        beta = ops.where(active, new, zero) / ops.where(active, rr, one)
        return count + 1, x, r, r + beta * p, ops.where(active, new, zero)

    def goes_on(count: Array, x: Array, r: Array, p: Array, rr: Array) -> Array:
        return ops.logical_and(count < iterations, ops.any(rr > smallest))

    state = (ops.convert_to_tensor(0, "int32"), ops.zeros_like(b), b, b, _dot(b, b))
    if is_exporting():  # the other runtimes have no loop that they all understand
        for _ in range(iterations):
            state = step(*state)
    else:
        state = ops.while_loop(goes_on, step, state)
    return state[1]


def _dot(a: Array, b: Array) -> Array:
    """The inner product of each row, `(batch, 1, ...)`."""
    return ops.sum(a * b, axis=tuple(range(1, len(a.shape))), keepdims=True)
