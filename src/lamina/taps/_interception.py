"""Scopes that observe the calls of layers, in the thread that opened them.

`Layer.__call__` is wrapped when the first scope opens and restored when the last one closes: an
idle program runs Keras' own method. Others may wrap the same method, before or after us:

- a wrapper that is there when the first scope opens is what ours calls;
- a wrapper around ours stays: then ours cannot be removed, so it is disabled for good, and a later
  scope wraps the method again.
"""

import contextlib
import functools
import inspect
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops

from lamina._common import Tree

_LOCK = threading.Lock()
_LOCAL = threading.local()
_open_scopes = 0
_wrapper: Any = None  # the enabled one

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
def watching(scope: Any) -> Iterator[Any]:
    """Let `scope.around(layer, call)` replace the call of every layer in this thread."""
    scopes = _scopes()
    scopes.append(scope)
    _install()
    try:
        yield scope
    finally:
        _uninstall()
        scopes.remove(scope)


def intact() -> bool:
    """Does a call still reach the open scopes? False if another patcher has removed our wrapper."""
    seen = []

    class Probe:
        def around(self, layer: keras.layers.Layer, call: Callable) -> Callable:
            seen.append(layer)
            return call

    probe = Probe()
    _scopes().append(probe)
    try:
        keras.layers.Identity()(keras.KerasTensor((1,)))
    finally:
        _scopes().remove(probe)
    return bool(seen)


COMPILED = "an inner compiled function"


@functools.cache
def _backend_control() -> dict[str, str]:
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


def symbolic_scope() -> Any:
    """The scope in which Keras infers shapes now, if any."""
    with keras.SymbolicScope() as probe:
        return probe.original_scope


class Surroundings:
    """The control flow around a point of a program, to find later what more encloses a call."""

    def __init__(self, frame: Any) -> None:
        self._frame, self._symbolic = frame, symbolic_scope()

    def control(self, arguments: Tree) -> str | None:
        """What encloses the call that runs now, but not that point: None if nothing does.

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
            innermost = innermost or modules.get(frame.f_globals.get("__name__", ""))
            frame = frame.f_back
        return innermost


def _torch_compiles() -> bool:
    if keras.backend.backend() != "torch":
        return False
    import torch

    return torch.compiler.is_compiling()


def _scopes() -> list[Any]:
    if not hasattr(_LOCAL, "scopes"):
        _LOCAL.scopes = []
    return _LOCAL.scopes


def _install() -> None:
    global _open_scopes, _wrapper
    with _LOCK:
        if _open_scopes == 0:
            _wrapper = _wrap(_without_disabled(keras.layers.Layer.__call__))
            keras.layers.Layer.__call__ = _wrapper
        _open_scopes += 1


def _uninstall() -> None:
    global _open_scopes, _wrapper
    with _LOCK:
        _open_scopes -= 1
        if _open_scopes == 0:
            _wrapper.lamina_enabled = False
            if keras.layers.Layer.__call__ is _wrapper:
                keras.layers.Layer.__call__ = _wrapper.lamina_wraps
            _wrapper = None


def _without_disabled(method: Any) -> Any:
    """`method` without disabled wrappers of ours around it."""
    while getattr(method, "lamina_enabled", None) is False:
        method = method.lamina_wraps
    return method


def _wrap(original: Any) -> Any:
    def __call__(self: keras.layers.Layer, *args: Any, **kwargs: Any) -> Tree:
        scopes = getattr(_LOCAL, "scopes", None)
        if not scopes or not wrapper.lamina_enabled:
            return original(self, *args, **kwargs)
        call = original.__get__(self)
        for scope in reversed(scopes):
            call = scope.around(self, call)
        return call(*args, **kwargs)

    wrapper: Any = __call__
    wrapper.lamina_enabled = True
    wrapper.lamina_wraps = original
    wrapper.__doc__ = original.__doc__
    wrapper.__wrapped__ = original
    return wrapper
