"""What only the backend can say: can a value be looked at, is this trace made for an export."""

import sys

import keras
from keras import ops

# Modules that trace a model in order to hand it to another runtime.
_EXPORTERS = (
    keras.export.ExportArchive.__module__.rpartition(".")[0],
    "tensorflow.lite",
    "tensorflow.python.saved_model",
    "tf2onnx",
    "lamina.streaming._export",
)


def is_concrete(x):
    """Can the values of `x` be looked at now: neither symbolic nor traced?"""
    if isinstance(x, keras.KerasTensor):
        return False
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.executing_eagerly() and hasattr(x, "numpy")
    if backend == "jax":
        import jax

        return not isinstance(x, jax.core.Tracer)
    import torch

    return not (torch.compiler.is_compiling() or x.device.type == "meta")


def branch(predicate, yes, no):
    """`yes()` where the boolean scalar `predicate` is true, else `no()`.

    Where it can be looked at, only the branch that is taken runs: an eager `ops.cond` compiles both
    anew at every call on JAX.
    """
    if is_concrete(predicate):
        return yes() if bool(predicate) else no()
    return ops.cond(predicate, yes, no)


def is_exporting():
    """Is this trace made for another runtime, where backend-specific fast paths must step aside?

    Keras says so nowhere in public, and `tf2onnx` cannot read a compiled function. Looked up while
    tracing only, so it costs nothing when the model runs.
    """
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(_EXPORTERS):
            return True
        frame = frame.f_back
    return False
