"""Helpers of the codec tests."""

import keras
import pytest


def slow(*cases):
    """Further cases of a parametrised promise, for `make test-all`."""
    return [pytest.param(case, marks=pytest.mark.slow) for case in cases]


def compiled(layer, *inputs, **kwargs):
    """The layer's output from compiled code, as NumPy."""
    backend = keras.backend.backend()
    inputs = [keras.ops.convert_to_tensor(x) for x in inputs]
    if backend == "tensorflow":
        import tensorflow as tf

        y = tf.function(lambda *x: layer(*x, **kwargs))(*inputs)
    elif backend == "jax":
        import jax

        y = jax.jit(lambda *x: layer(*x, **kwargs))(*inputs)
    else:
        import torch

        # Every test compiles this one lambda: without a reset dynamo gives up after eight.
        torch.compiler.reset()
        # The eager backend: traced by dynamo as always, not handed to a C++ compiler.
        traced = torch.compile(lambda *x: layer(*x, **kwargs), backend="eager", dynamic=False)
        y = traced(*inputs)
    return keras.ops.convert_to_numpy(y)
