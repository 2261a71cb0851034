"""Contracts of the constructor: its arguments are kept, left alone, and shared by no two layers."""

import inspect
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from lamina.contracts._contract import Answer, broken, contract
from lamina.contracts.harness import (
    Case,
    LayerFailed,
    config_of,
    original,
    own_copy,
    patched,
    rebuilt,
)

BASE = ("name", "dtype", "trainable")


@contract("config.complete", rank=150, follows=("config.roundtrip",))
def every_argument_is_in_the_config(case: Case) -> Answer:
    """A constructor argument that the config lacks goes back to its default on loading.

    Promise: every constructor argument comes back from the config.

    A layer that breaks it:

        def __init__(self, units, scale=1.0, **kwargs): ...
        def get_config(self):
            return {**super().get_config(), "units": self.units}

    Repair: add the missing argument to get_config.
    """
    layer = original(case)
    config = config_of(layer)
    for name, parameter in _arguments_of(case.target.cls).items():
        given = name in (case.target.kwargs or {})
        if name in config:
            problem = given and _not_recorded(case, name, parameter, config)
        else:
            problem = _lost(case, name, parameter, layer, config)
        if problem:
            return broken(
                f"the argument `{name}` {problem}",
                "a loaded model has that argument at its default",
                f"return {name!r} from get_config",
                argument=name,
                config=sorted(config),
            )


def _arguments_of(cls):
    """The constructor's own named arguments."""
    skip = {"self", *BASE, "activity_regularizer"}
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    found = inspect.signature(cls.__init__).parameters
    return {n: p for n, p in found.items() if n not in skip and p.kind not in kinds}


def _not_recorded(case, name, parameter, config):
    """Is the config's value that of the default, though another was given?"""
    value = case.target.kwargs[name]
    if parameter.default is parameter.empty or not _simple(value) or value == parameter.default:
        return None
    if _normal(config[name]) == _normal(value):
        return None
    rest = {k: v for k, v in case.target.kwargs.items() if k != name}
    try:
        without = case.target.cls(**rest).get_config().get(name)
    except Exception:
        return None
    if _normal(without) == _normal(config[name]):
        return f"was given as {value!r}, but get_config says {config[name]!r}"
    return None


def _lost(case, name, parameter, layer, config):
    """Is an argument that the config lacks lost, or does the class bring it back?"""
    kwargs = case.target.kwargs
    if kwargs is not None and name in kwargs:
        value = kwargs[name]
        if parameter.default is not parameter.empty and _same(value, parameter.default):
            return None
        return None if _brought_back(case, name, layer, config) else "is not in get_config"
    if kwargs is None and parameter.default is not parameter.empty:
        had = getattr(layer, name, parameter.default)
        if _simple(had) and had != parameter.default:
            back = getattr(rebuilt(case, own_copy(config)), name, parameter.default)
            return f"is not in get_config and {had!r} became {back!r}" if back != had else None
    return _lost_when_changed(case, name, parameter) if kwargs is not None else None


def _brought_back(case, name, layer, config):
    absent = object()
    had = getattr(layer, name, absent)
    if had is absent:
        return False
    try:
        back = getattr(rebuilt(case, own_copy(config)), name, absent)
    except LayerFailed:
        return False
    return _same(had, back)


def _lost_when_changed(case, name, parameter):
    """A plain default is changed: does the layer, rebuilt, still have the change?"""
    changed = _changed(parameter.default)
    if changed is None:
        return None
    kwargs = {**case.target.kwargs, name: changed}
    try:
        layer = case.target.cls(**kwargs)
        if not _same(getattr(layer, name, None), changed):
            return None
        back = getattr(rebuilt(case, layer.get_config()), name, None)
    except Exception:
        return None
    return None if _same(back, changed) else f"is not in get_config ({changed!r} became {back!r})"


def _changed(default):
    if isinstance(default, bool):
        return not default
    if isinstance(default, int):
        return default + 1
    return default * 0.5 + 0.1 if isinstance(default, float) else None


def _simple(value):
    return isinstance(value, bool | int | float | str | tuple | list)


def _same(one, other):
    try:
        return one is other or bool(np.all(one == other))
    except Exception:
        return False


def _normal(value):
    """Sequences as lists, numbers as floats, everything else as it is."""
    if isinstance(value, tuple | list):
        return [_normal(v) for v in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return value


@contract("ctor.independent", rank=10)
def instances_share_nothing_that_changes(case: Case) -> Answer:
    """Two instances share something mutable: using one changes the other.

    Promise: two instances share nothing that changes.

    A layer that breaks it:

        def __init__(self, steps=[], **kwargs):
            super().__init__(**kwargs)
            self.steps = steps

    Repair: take None as the default, and make the list in __init__.
    """
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


@contract("config.constructor_pure", rank=15)
def constructor_leaves_its_arguments_alone(case: Case) -> Answer:
    """The constructor changes a list, dictionary or array of its caller.

    Promise: the constructor leaves the caller's lists, dictionaries and arrays alone.

    A layer that breaks it:

        def __init__(self, edges, **kwargs):
            super().__init__(**kwargs)
            edges.insert(0, float("-inf"))

    Repair: copy first: edges = list(edges).
    """
    cls, changed = case.target.cls, []

    def watched(init: Callable[..., None]) -> Callable[..., None]:
        def call(self: Any, *args: Any, **kwargs: Any) -> None:
            given = {**{str(n): a for n, a in enumerate(args)}, **kwargs}
            before = {n: _contents(a) for n, a in given.items()}
            init(self, *args, **kwargs)
            if type(self) is cls:
                changed.extend(n for n, a in given.items() if not _alike(before[n], _contents(a)))

        # Keras makes a config of the arguments by the constructor's signature.
        vars(call)["__signature__"] = inspect.signature(init)
        return call

    with patched(cls, "__init__", watched):
        case.fresh()
    if changed:
        return broken(
            f"the constructor changes its argument `{changed[0]}`",
            "the caller's own list is another one afterwards; the next layer made of it differs",
            "copy it first: list(value), dict(value), np.array(value)",
            arguments=sorted(set(changed)),
        )


def _contents(value: Any) -> Any:
    """What is inside containers and arrays, to be compared later; everything else as it is."""
    if isinstance(value, np.ndarray):
        return ("array", value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, dict):
        return ("dict", [(k, _contents(v)) for k, v in value.items()])
    if isinstance(value, list | tuple):
        return ("list", [_contents(v) for v in value])
    return ("set", sorted(map(repr, value))) if isinstance(value, set) else ("one", value)


def _alike(one: Any, other: Any) -> bool:
    """Equal contents; what is no container, by identity or by its plain value."""
    if one[0] != other[0] or one[0] in ("array", "set"):
        return one == other
    if one[0] == "one":
        plain = isinstance(one[1], str | int | float | type(None))
        return one[1] is other[1] or (plain and repr(one[1]) == repr(other[1]))
    if len(one[1]) != len(other[1]):
        return False
    pairs = zip(one[1], other[1], strict=True)
    if one[0] == "dict":
        return all(a == b and _alike(x, y) for (a, x), (b, y) in pairs)
    return all(_alike(x, y) for x, y in pairs)
