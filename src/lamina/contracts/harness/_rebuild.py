"""A layer made again from its config, as a saved model's reader makes it."""

import copy
import json
from typing import Any

import keras

from lamina.contracts.harness._case import Case, seed_host
from lamina.contracts.harness._failure import layer_code
from lamina.contracts.harness._target import copied


def original(case: Case) -> Any:
    """The layer as its author made it: the instance's copy, or a fresh one."""
    given = case.target.original
    return copy.deepcopy(given) if given is not None else case.fresh()


def config_of(layer: Any) -> dict[str, Any]:
    """`get_config()`, of which a failure is the layer's."""
    with layer_code("get_config()"):
        return layer.get_config()


def rebuilt(case: Case, config: dict[str, Any]) -> Any:
    """A layer from a config, by its class."""
    with layer_code("from_config(get_config())"):
        with keras.saving.custom_object_scope(case.target.scope):
            return case.target.cls.from_config(config)


def own_copy(config: Any) -> Any:
    """The containers copied, plain even where Keras tracks them; what they hold as it is."""
    if isinstance(config, dict):
        return {k: own_copy(v) for k, v in config.items()}
    if isinstance(config, list):
        return [own_copy(v) for v in config]
    return config


def stored(case: Case, layer: Any) -> Any:
    """The layer after a trip through the text that a saved model holds."""
    with layer_code("serialising its config"), keras.saving.custom_object_scope(case.target.scope):
        text = json.dumps(keras.saving.serialize_keras_object(layer))
    with layer_code("rebuilding it from its serialised config"):
        return keras.saving.deserialize_keras_object(
            json.loads(text), custom_objects=case.target.scope, safe_mode=False
        )


def with_arguments(case: Case, config: dict[str, Any], changes: dict[str, Any]) -> Any:
    """A fresh layer with some of its constructor's arguments changed."""
    seed_host()
    if case.target.kwargs is None:
        return rebuilt(case, {**own_copy(config), **changes})
    kwargs = {n: copied(v, case.target.scope) for n, v in case.target.kwargs.items()}
    return case.target.cls(**{**kwargs, **changes})
