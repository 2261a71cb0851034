"""The contract of instances: two of them share nothing that changes."""

import inspect

import keras
import numpy as np

from lamina.contracts._contract import broken, contract


@contract("ctor.independent")
def instances_share_nothing_that_changes(case):
    """Two instances share something mutable: using one changes the other."""
    cls = case.target.cls
    defaults = _mutable_defaults(cls)
    shown = {n: repr(v) for n, v in defaults.items()}
    classwide = _mutable_of_class(cls)
    one, two = case.fresh(), case.fresh()
    shared = _shared(one, two, defaults.values()) | _layers_of_class(cls)
    case.call(one)
    case.call(one, training=True)
    now = {n: repr(v) for n, v in defaults.items()}
    grown = {n for n in shown if not _is_layer(defaults[n]) and now[n] != shown[n]}
    moved = {n for n, v in _mutable_of_class(cls).items() if classwide.get(n, v) != v}
    if names := sorted(shared | grown | moved):
        return broken(
            f"two instances share `{names[0]}`, which is mutable",
            "using one layer changes another",
            f"make `{names[0]}` anew in __init__: take None as the default",
            shared=names,
        )


def _is_layer(value):
    return isinstance(value, keras.layers.Layer | keras.Variable | keras.random.SeedGenerator)


def _mutable_defaults(cls):
    found = inspect.signature(cls.__init__).parameters.values()
    containers = (list, dict, set, bytearray, np.ndarray)
    return {
        p.name: p.default
        for p in found
        if isinstance(p.default, containers) or _is_layer(p.default)
    }


def _mutable_of_class(cls):
    """Containers on the class itself, by their size and look."""
    pairs = _of_class(cls).items()
    return {n: (len(v), str(v)[:2000]) for n, v in pairs if isinstance(v, list | dict | set)}


def _layers_of_class(cls):
    return {n for n, v in _of_class(cls).items() if _is_layer(v)}


def _of_class(cls):
    """Attributes of the author's own classes."""
    own = [c for c in cls.__mro__ if not c.__module__.startswith(("keras.", "builtins"))]
    return {n: v for c in own for n, v in vars(c).items() if not n.startswith("__")}


def _shared(one, two, defaults):
    """Attributes that are one object in both: Keras state, or a default argument itself."""
    found = set()
    for name, value in vars(one).items():
        other = vars(two).get(name)
        if value is other and (_is_layer(value) or any(value is d for d in defaults)):
            found.add(name)
    ours = {id(v) for v in one.variables}
    return found | {v.path for v in two.variables if id(v) in ours}
