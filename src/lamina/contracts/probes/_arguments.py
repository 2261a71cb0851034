"""The contract of constructor arguments: none is lost between a layer and its config."""

import inspect

import numpy as np

from lamina.contracts._contract import LayerFailed, broken, contract
from lamina.contracts.probes._config import BASE, config_of, original, own_copy, rebuilt


@contract("config.complete", follows=("config.roundtrip",))
def every_argument_is_in_the_config(case):
    """A constructor argument that the config lacks goes back to its default on loading."""
    layer = original(case)
    config = config_of(layer)
    for name, parameter in arguments_of(case.target.cls).items():
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


def arguments_of(cls):
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
    """Sequences as lists, numbers as floats, whole configs as they are."""
    if isinstance(value, tuple | list):
        return [_normal(v) for v in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return value
