"""The contract of portability: nothing in call() belongs to one backend."""

import traceback
from pathlib import Path

import keras

from lamina.contracts._backends import BACKEND
from lamina.contracts._contract import broken, contract
from lamina.contracts._watch import patched

# What Keras says when a symbolic tensor reaches a backend's own function.
SAYS = "cannot be used as input to a"


@contract("portable.backends")
def only_keras_operations(case):
    """call() hands its tensors to functions of one backend: it fails on the others."""
    layer = case.ready()
    native = _native_call(case, layer)
    # A layer with one way for each backend is asked again as if this were another.
    if native and not _native_call(case, layer, pretend=True):
        native = None
    if native:
        return broken(
            f"call() uses {BACKEND} directly: {native}",
            "the layer runs on this backend only",
            "use keras.ops; `lamina check --backends tensorflow,jax,torch` runs it on each",
            backend=BACKEND,
        )


def _native_call(case, layer, pretend=False):
    """Calls `call` on symbolic tensors, which only Keras' own operations accept."""
    symbols = case.symbols(case.batch)
    args, kwargs = case.arguments(layer, symbols)
    try:
        if pretend:
            with patched(keras.backend, "backend", lambda original: lambda: "another"):
                with patched(keras.config, "backend", lambda original: lambda: "another"):
                    layer.call(*args, **kwargs)
        else:
            layer.call(*args, **kwargs)
    except Exception as error:
        return _own_line(error) if SAYS in str(error) else None
    return None


def _own_line(error):
    """The layer's own line that called the backend; None where Keras itself did."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        parts = Path(frame.filename).parts
        if "keras" in parts and not frame.filename.endswith("keras_tensor.py"):
            return None
        if not set(parts) & {"tensorflow", "jax", "jaxlib", "torch", "numpy", "keras"}:
            return f"`{frame.line}` (line {frame.lineno})"
    return None
