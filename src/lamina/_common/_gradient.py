"""The gradient of a function by the backend that runs: Keras has no vector-Jacobian product."""

from collections.abc import Callable

import keras
from keras import ops

from lamina._common._checks import received
from lamina._common._types import Array, Tree


def gradient(function: Callable[[Tree], tuple[Array, Tree]], x: Tree) -> tuple[Tree, Tree]:
    """`(d total / d x, aux)` for `function(x) -> (total, aux)`, `total` a scalar.

    `x` may be nested. The result can itself be differentiated. `function` must not change state.
    """
    backends = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
    backend = keras.backend.backend()
    if backend not in backends:
        raise NotImplementedError(
            f"gradients need TensorFlow, JAX or PyTorch. {received('KERAS_BACKEND', backend)}"
        )
    x = keras.tree.map_structure(_floating, x)
    return backends[backend](function, x)


def _floating(given: Array) -> Array:
    x: Array = ops.convert_to_tensor(given)
    if not keras.backend.is_float_dtype(x.dtype):
        raise ValueError(
            "a gradient is taken with respect to floating-point values: cast first. "
            f"{received('dtype', keras.backend.standardize_dtype(x.dtype))}"
        )
    return x


def _tensorflow(function, x):
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        total, aux = function(x)
    zero = tf.UnconnectedGradients.ZERO
    return tape.gradient(total, x, unconnected_gradients=zero), aux


def _jax(function, x):
    import jax

    return jax.grad(function, has_aux=True)(x)


def _torch(function, x):
    import torch

    outside = torch.is_grad_enabled()
    with torch.enable_grad():
        x = keras.tree.map_structure(lambda t: t if t.requires_grad else _leaf(t), x)
        total, aux = function(x)
        flat = keras.tree.flatten(x)
        if not total.requires_grad:  # it does not depend on anything that trains
            return keras.tree.map_structure(torch.zeros_like, x), aux
        found = torch.autograd.grad(total, flat, create_graph=outside, materialize_grads=True)
    return keras.tree.pack_sequence_as(x, list(found)), aux


def _leaf(t):
    return t.detach().requires_grad_()
