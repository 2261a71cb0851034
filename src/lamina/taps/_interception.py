"""Scopes that see the calls of layers, in the thread that opened them.

`Layer.__call__` is wrapped when the first scope opens and given back when the last one closes: an
idle program runs Keras' own method. Others may wrap the same method, before or after us:

- what is there when we come is what we call;
- what was put on top of us stays: then our wrapper cannot be taken out, so it goes to sleep for
  good, and a later scope puts a new one on top.
"""

import contextlib
import sys
import threading

import keras

_LOCK = threading.Lock()
_LOCAL = threading.local()
_open_scopes = 0
_wrapper = None  # the one that is awake

# Where a tensor lives for the length of one inner trace only, by module and function of Keras.
_CONTROL = {
    "associative_scan",
    "cond",
    "fori_loop",
    "map",
    "remat",
    "scan",
    "switch",
    "vectorized_map",
    "while_loop",
}
# The same, called on the backend itself: the start of the module's name.
_CONTROL_MODULES = {
    "jax._src.ad_checkpoint": "remat",
    "jax._src.lax.control_flow": "jax.lax control flow",
    "tensorflow.python.ops.cond": "tf.cond",
    "tensorflow.python.ops.custom_gradient": "remat or a custom gradient",
    "tensorflow.python.ops.map_fn": "tf.map_fn",
    "tensorflow.python.ops.parallel_for": "tf.vectorized_map",
    "tensorflow.python.ops.while_loop": "tf.while_loop",
    "torch.utils.checkpoint": "remat",
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


SHAPES = "shapes"


def enclosing_control(stop, arguments):
    """What encloses the call that runs now, up to the frame `stop`: None if nothing does.

    `SHAPES`: Keras infers shapes or builds, no real call. Else the control flow around the call.
    """
    if any(isinstance(x, keras.KerasTensor) for x in keras.tree.flatten(arguments)):
        return SHAPES
    if _torch_compiles():
        return None  # walking the stack would break the graph
    frame, found = sys._getframe(1), None
    while frame is not None and frame is not stop:
        module, name = frame.f_globals.get("__name__", ""), frame.f_code.co_name
        if module.startswith("keras.src.backend"):
            if name == "compute_output_spec":
                return SHAPES
            if module.endswith(".core") and name in _CONTROL:
                found = f"keras.ops.{name}" if name != "remat" else "remat"
        elif found is None:
            found = next((w for m, w in _CONTROL_MODULES.items() if module.startswith(m)), None)
        frame = frame.f_back
    return found


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
