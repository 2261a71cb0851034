"""Contracts of configuration: a layer is what its arguments and its config say, and no more."""

import contextlib
import copy
import json
from typing import Any

import keras

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
    text = json.dumps(keras.saving.serialize_keras_object(value), sort_keys=True)
    return _policies_named(json.loads(text))


def _policies_named(value: Any) -> Any:
    """The data with each dtype policy by its name, in which it may be written as well."""
    if isinstance(value, list):
        return [_policies_named(v) for v in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") == "DTypePolicy" and set(value["config"]) == {"name"}:
        return value["config"]["name"]
    return {k: _policies_named(v) for k, v in value.items()}


@contract("config.roundtrip", rank=140)
def rebuilt_from_config_it_is_the_same(case: Case) -> Answer:
    """A model that holds this layer cannot be saved and loaded again.

    Promise: from_config(get_config()) gives the same layer: config, weights, output.

    A layer that breaks it:

        def get_config(self):
            return super().get_config()  # `units` is not in it

    Repair: return every constructor argument from get_config, as plain data.
    """
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
    """A loaded layer has lost its name, its dtype policy, or that it was frozen.

    Promise: name, dtype policy and trainable are taken, kept and stored.

    A layer that breaks it:

        def __init__(self, units):
            super().__init__()  # no **kwargs: no name, no dtype

    Repair: take `**kwargs`, hand them to super().__init__, start get_config from
    super().get_config().
    """
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
    """from_config changes the dictionary that it is given.

    Promise: from_config leaves the dictionary it is given as it was.

    A layer that breaks it:

        @classmethod
        def from_config(cls, config):
            return cls(inner=make(config.pop("inner")), **config)

    Repair: copy first: config = dict(config).
    """
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
