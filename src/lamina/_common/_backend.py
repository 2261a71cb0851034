"""What the backend alone knows: has a value been computed yet, is this trace made for an export."""

import sys
from collections.abc import Callable

import keras
from keras import ops

from lamina._common._types import Array

# Modules that trace a model for another runtime.
_EXPORTERS = (
    keras.export.ExportArchive.__module__.rpartition(".")[0],
    "tensorflow.lite",
    "tensorflow.python.saved_model",
    "tf2onnx",
)


def is_concrete(x: Array) -> bool:
    """Are the values of `x` known now: neither symbolic nor traced?"""
    if isinstance(x, keras.KerasTensor):
        return False
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.executing_eagerly() and hasattr(x, "numpy")
    if backend == "jax":
        from jax.core import Tracer

        return not isinstance(x, Tracer)
    import torch

    return not (torch.compiler.is_compiling() or x.device.type == "meta")


def branch(predicate: Array, yes: Callable[[], Array], no: Callable[[], Array]) -> Array:
    """`yes()` where the boolean scalar `predicate` is true, else `no()`.

    Where its value is known, only the branch that is taken runs: an eager `ops.cond` compiles both
    again at every call on JAX.
    """
    if is_concrete(predicate):
        return yes() if bool(predicate) else no()
    return ops.cond(predicate, yes, no)


def is_exporting() -> bool:
    """Is this trace made for another runtime, where backend-specific fast paths must step aside?

    Keras has no public function for it, and `tf2onnx` cannot read a compiled function. Looked up
    while tracing only, so it costs nothing when the model runs.
    """
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(_EXPORTERS):
            return True
        frame = frame.f_back
    return False
