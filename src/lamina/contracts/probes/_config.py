"""Contracts of configuration: a layer is what its arguments and its config say, and no more."""

import contextlib
import copy
import inspect
import json
from typing import Any

import keras
import numpy as np

from lamina.contracts._contract import Answer, advice, broken, contract
from lamina.contracts.harness import (
    REORDERED,
    Case,
    LayerFailed,
    config_of,
    copy_weights,
    difference,
    layer_code,
    original,
    own_copy,
    rebuilt,
    stored,
)

BASE = ("name", "dtype", "trainable")


def _plain(value):
    """A config value as JSON data."""
    return json.loads(json.dumps(keras.saving.serialize_keras_object(value), sort_keys=True))


@contract("config.roundtrip", rank=140)
def rebuilt_from_config_it_is_the_same(case: Case) -> Answer:
    """A model that holds this layer cannot be saved and loaded again."""
    layer = original(case)
    again = stored(case, layer)
    with layer_code("get_config()"):
        first, second = _plain(config_of(layer)), _plain(config_of(again))
    if first != second:
        keys = [k for k in sorted(set(first) | set(second)) if first.get(k) != second.get(k)]
        return broken(
            f"the config of the rebuilt layer differs in {', '.join(keys)}",
            "a loaded model is another model than the saved one",
            "let get_config return each constructor argument as it was given",
            saved={k: first.get(k) for k in keys},
            rebuilt={k: second.get(k) for k in keys},
        )
    before = case.call(layer)
    # Built, not called: a layer may refuse to work before its weights have come.
    with contextlib.suppress(Exception):
        case.functional(again, case.batch)
    if not again.built:
        case.call(again)
    if len(layer.variables) != len(again.variables):
        return broken(
            f"the layer has {len(layer.variables)} variables, rebuilt {len(again.variables)}",
            "saved weights do not fit the rebuilt layer",
            "store in get_config every argument that decides what is built",
        )
    copy_weights(layer, again)
    one, other = case.call(layer), case.call(again)
    if len(before) == len(other) and (worst := difference(one, other, *REORDERED)):
        return broken(
            f"rebuilt from its config, with the same weights, it gives {worst.after:.6g} "
            f"for {worst.before:.6g}",
            "a loaded model predicts something else than the saved one",
            "store in get_config every argument that changes the output",
            **worst.values(),
        )


@contract("config.base", rank=160, follows=("config.roundtrip",))
def name_dtype_and_trainable_survive(case: Case) -> Answer:
    """A loaded layer has lost its name, its dtype policy, or that it was frozen."""
    wanted = {"name": "a_name_of_its_own", "dtype": "bfloat16", "trainable": False}
    config = config_of(case.fresh())
    # A layer may take some dtypes only, such as integers for the codes that it returns.
    for wanted["dtype"] in ("bfloat16", "int64", "int32"):
        layer = _with_base(case, config, wanted)
        if not isinstance(layer, str):
            break
    if isinstance(layer, str):
        return broken(
            f"the constructor refuses {layer}",
            "the layer cannot be named, frozen or given a dtype policy, nor keep them when loaded",
            "take **kwargs in __init__ and hand them to super().__init__(**kwargs)",
        )
    if layer.name != wanted["name"]:
        return broken(
            f"made with name={wanted['name']!r}, it is called {layer.name!r}",
            "two of them in one model have one name, which Keras refuses",
            "hand `name` on: super().__init__(**kwargs)",
            key="name",
        )
    if layer.dtype_policy.name != wanted["dtype"] and "output_dtype" not in case.traits:
        return broken(
            f"made with dtype={wanted['dtype']!r}, it has {layer.dtype_policy.name!r}",
            "whoever makes it in half or double precision does not get it",
            "hand `dtype` on as it comes; kwargs.setdefault('dtype', ...) for another default",
            key="dtype",
        )
    back = rebuilt(case, config_of(layer))
    for key, (had, has) in {
        "name": (layer.name, back.name),
        "dtype": (layer.dtype_policy.name, back.dtype_policy.name),
        "trainable": (layer.trainable, back.trainable),
    }.items():
        if had != has or (key == "trainable" and has is not False):
            return broken(
                f"`{key}` was {wanted[key]!r} and is {has!r} after get_config and from_config",
                f"a loaded model has lost the layer's {key}",
                "start get_config from super().get_config(), and hand **kwargs to super().__init__",
                key=key,
            )


def _with_base(case, config, wanted):
    """A layer with all base arguments; else the words that name what its constructor refuses."""

    def make(extra: dict[str, Any]) -> Any:
        if case.target.kwargs is not None:
            return case.target.cls(**{**copy.deepcopy(dict(case.target.kwargs)), **extra})
        return rebuilt(case, {**own_copy(config), **extra})

    try:
        return make(wanted)
    except (TypeError, LayerFailed, ValueError) as error:
        refused = []
        for key, value in wanted.items():
            try:
                make({key: value})
            except Exception:
                refused.append(f"`{key}`")
        return ", ".join(refused) or f"{', '.join(wanted)} together ({error})"


@contract("config.pure", rank=170, follows=("config.roundtrip",))
def from_config_leaves_its_argument_alone(case: Case) -> Answer:
    """from_config changes the dictionary that it is given."""
    config = config_of(case.fresh())
    before = dict(_parts(config))
    rebuilt(case, config)
    after = dict(_parts(config))
    changed = [k for k in {**before, **after} if after.get(k, after) is not before.get(k, before)]
    if changed:
        owner = next(c for c in case.target.cls.__mro__ if "from_config" in vars(c))
        own = _package(owner) == _package(case.target.cls)
        return (broken if own else advice)(
            f"from_config changed its argument: {changed[:5]}"
            + ("" if own else f"; it is that of {owner.__module__}.{owner.__qualname__}"),
            "the second layer made from one config fails, or differs",
            "copy the config first: config = dict(config)",
            changed=changed[:5],
        )


def _package(cls):
    return cls.__module__.partition(".")[0]


def _parts(config, path=""):
    """(path, object) of everything in a config, containers too."""
    pairs = config.items() if isinstance(config, dict) else enumerate(config)
    for key, value in list(pairs):
        yield f"{path}{key}", value
        if isinstance(value, dict | list | tuple):
            yield from _parts(value, f"{path}{key}.")


@contract("config.complete", rank=150, follows=("config.roundtrip",))
def every_argument_is_in_the_config(case: Case) -> Answer:
    """A constructor argument that the config lacks goes back to its default on loading."""
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
