"""A function of tensors, compiled by the backend, that reads its variables again at each call."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import tree

from lamina._common._types import Array, Tree


def compiled(
    function: Callable[..., Tree],
    variables: Sequence[keras.Variable],
    specs: Tree,
    jit_compile: bool = False,
) -> Callable[..., Tree]:
    """`function(*args)` compiled; `specs`: KerasTensors in the structure of `args`.

    `jit_compile`: by XLA, which JAX always does.

    Variables are used as they are at the time of the call. PyTorch runs eagerly, without gradients.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _graph(function, specs, jit_compile)
    if backend == "jax":
        return _jit(function, variables)
    if backend == "torch":
        import torch

        return torch.no_grad()(function)
    return function


def _graph(function: Callable[..., Tree], specs: Tree, jit_compile: bool) -> Callable[..., Tree]:
    import tensorflow as tf

    signature = tree.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), specs)
    graph = tf.function(function, signature, autograph=False, jit_compile=jit_compile)
    # A concrete function would run its operations one by one, XLA or not.
    return graph if jit_compile else graph.get_concrete_function()


def _jit(function: Callable[..., Tree], variables: Sequence[keras.Variable]) -> Callable[..., Tree]:
    import jax

    @jax.jit
    def run(values: list[Array], *args: Any) -> Tree:
        # Weights are arguments: a jitted function would keep what they were when it was traced.
        with keras.StatelessScope(state_mapping=zip(variables, values, strict=True)):
            return function(*args)

    return lambda *args: run([v.value for v in variables], *args)
