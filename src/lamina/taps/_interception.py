"""Scopes that see the calls of layers, in the thread that opened them.

`Layer.__call__` is wrapped when the first scope opens and given back when the last one closes: an
idle program runs Keras' own method. Others may wrap the same method, before or after us:

- what is there when we come is what we call;
- what was put on top of us stays: then our wrapper cannot be taken out, so it goes to sleep for
  good, and a later scope puts a new one on top.
"""

import contextlib
import functools
import inspect
import sys
import threading

import keras
from keras import ops

_LOCK = threading.Lock()
_LOCAL = threading.local()
_open_scopes = 0
_wrapper = None  # the one that is awake

# Keras' control flow, where a tensor lives for the length of one inner trace only, by its code.
_CONTROL = {
    getattr(ops, name).__code__: f"keras.ops.{name}"
    for name in (
        "associative_scan",
        "cond",
        "fori_loop",
        "map",
        "scan",
        "switch",
        "vectorized_map",
        "while_loop",
    )
}


@contextlib.contextmanager
def watching(scope):
    """Let `scope.around(layer, call)` replace the call of every layer in this thread."""
    scopes = _scopes()
    scopes.append(scope)
    _install()
    try:
        yield scope
    finally:
        _uninstall()
        scopes.remove(scope)


def intact():
    """Does a call still reach the open scopes? False if another patcher has taken ours out."""
    seen = []

    class Note:
        def around(self, layer, call):
            seen.append(layer)
            return call

    note = Note()
    _scopes().append(note)
    try:
        keras.layers.Identity()(keras.KerasTensor((1,)))
    finally:
        _scopes().remove(note)
    return bool(seen)


COMPILED = "an inner compiled function"


@functools.cache
def _backend_control():
    """The same of the backend that runs: `{module that defines a public function: its name}`.

    By module, since the public functions are decorated: their own code is not in the stack.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        functions = {
            "tf.cond": tf.cond,
            "tf.map_fn": tf.map_fn,
            "tf.vectorized_map": tf.vectorized_map,
            "tf.while_loop": tf.while_loop,
            "remat or a custom gradient": tf.recompute_grad,
            COMPILED: tf.function,
        }
    elif backend == "jax":
        import jax

        functions = {
            "jax.lax.cond": jax.lax.cond,
            "jax.lax.scan or another loop": jax.lax.scan,
            "remat": jax.checkpoint,
            COMPILED: jax.jit(len).lower,
        }
    elif backend == "torch":
        import torch.utils.checkpoint

        functions = {"torch.vmap": torch.vmap, "remat": torch.utils.checkpoint.checkpoint}
    else:
        functions = {}
    return {inspect.unwrap(f).__globals__["__name__"]: name for name, f in functions.items()}


SHAPES = "shapes"


def symbolic_scope():
    """The scope in which Keras infers shapes now, if any."""
    with keras.SymbolicScope() as probe:
        return probe.original_scope


class Surroundings:
    """What is around this point of a program, to tell later what came in between."""

    def __init__(self, frame):
        self._frame, self._symbolic = frame, symbolic_scope()

    def control(self, arguments):
        """What encloses the call that runs now, and did not yet here: None if nothing does.

        `SHAPES`: Keras infers shapes or builds, no real call. Else the control flow around it.
        """
        flat = keras.tree.flatten(arguments)
        if symbolic_scope() is not self._symbolic or any(map(keras.backend.is_keras_tensor, flat)):
            return SHAPES
        if _torch_compiles():
            return None  # walking the stack would break the graph
        frame, modules = sys._getframe(1), _backend_control()
        innermost = None
        while frame is not None and frame is not self._frame:
            if frame.f_code in _CONTROL:
                return _CONTROL[frame.f_code]
            innermost = innermost or modules.get(frame.f_globals.get("__name__"))
            frame = frame.f_back
        return innermost


def _torch_compiles():
    if keras.backend.backend() != "torch":
        return False
    import torch

    return torch.compiler.is_compiling()


def _scopes():
    if not hasattr(_LOCAL, "scopes"):
        _LOCAL.scopes = []
    return _LOCAL.scopes


def _install():
    global _open_scopes, _wrapper
    with _LOCK:
        if _open_scopes == 0:
            _wrapper = _wrap(_without_sleepers(keras.layers.Layer.__call__))
            keras.layers.Layer.__call__ = _wrapper
        _open_scopes += 1


def _uninstall():
    global _open_scopes, _wrapper
    with _LOCK:
        _open_scopes -= 1
        if _open_scopes == 0:
            _wrapper.lamina_awake = False
            if keras.layers.Layer.__call__ is _wrapper:
                keras.layers.Layer.__call__ = _wrapper.lamina_wraps
            _wrapper = None


def _without_sleepers(method):
    """`method` without sleeping wrappers of ours on top of it."""
    while getattr(method, "lamina_awake", None) is False:
        method = method.lamina_wraps
    return method


def _wrap(original):
    def __call__(self, *args, **kwargs):
        scopes = getattr(_LOCAL, "scopes", None)
        if not scopes or not __call__.lamina_awake:
            return original(self, *args, **kwargs)
        call = original.__get__(self)
        for scope in reversed(scopes):
            call = scope.around(self, call)
        return call(*args, **kwargs)

    __call__.lamina_awake = True
    __call__.lamina_wraps = original
    __call__.__doc__ = original.__doc__
    __call__.__wrapped__ = original
    return __call__
