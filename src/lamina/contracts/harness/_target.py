"""What is checked, and how a fresh one is made."""

import copy
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from lamina._common import received
from lamina.contracts.harness._failure import CheckError, one_line


@dataclass
class Target:
    """A layer, cell or initializer to be checked.

    Attributes:
        make: A fresh one.
        cls: Its class.
        kwargs: Constructor arguments, when it came as a class.
        original: The instance itself, when it came as one (a deep copy).
        kind: "layer", "cell" (of an RNN) or "initializer".
        scope: Custom objects that a reload may need.
        called: What a report calls it, where that is not its class's name.
    """

    make: Callable[[], Any]
    cls: type
    kwargs: Mapping[str, Any] | None = None
    original: Any = None
    kind: str = "layer"
    scope: dict[str, Any] = field(default_factory=dict)
    called: str = ""

    @property
    def label(self) -> str:
        """What a report calls it."""
        return self.called or self.name

    @property
    def name(self) -> str:
        """The class's name."""
        return self.cls.__name__


def resolve(target: Any, kwargs: Mapping[str, Any] | None = None) -> Target:
    """A `Target` from a class with `kwargs`, a zero-argument factory, or an instance."""
    wanted = (keras.layers.Layer, keras.initializers.Initializer)
    if isinstance(target, type):
        if not issubclass(target, wanted):
            raise TypeError(
                "`target` must be a Keras layer or initializer class, a factory or an instance. "
                f"{received('target', target)}"
            )
        found = Target(_from_class(target, dict(kwargs or {})), target, dict(kwargs or {}))
    elif isinstance(target, wanted):
        if kwargs:
            raise ValueError("`kwargs` go with a class: an instance has its arguments already.")
        found = _from_instance(target)
    elif callable(target):
        if kwargs:
            raise ValueError("`kwargs` go with a class: a factory takes no arguments.")
        found = Target(target, type(None))
    else:
        raise TypeError(
            "`target` must be a Keras layer or initializer class, a factory or an instance. "
            f"{received('target', target)}"
        )
    return _tried(found, wanted)


def _tried(found, wanted):
    """The target once constructed, so that what cannot be constructed says so at once."""
    try:
        first = found.make()
    except (Exception, SystemExit) as error:
        named = found.name if found.cls is not type(None) else "the factory's layer"
        raise CheckError(f"{named} could not be constructed: {one_line(error)}") from error
    if not isinstance(first, wanted):
        raise TypeError(f"the factory must return a Keras layer. {received('returned', first)}")
    found.cls = type(first)
    found.kind = _kind(first)
    found.scope = module_objects(found.cls)
    return found


def _kind(first):
    if isinstance(first, keras.initializers.Initializer):
        return "initializer"
    takes = list(inspect.signature(first.call).parameters)
    takes_state = len(takes) > 1 and takes[1] in ("states", "state")
    return "cell" if takes_state and hasattr(first, "state_size") else "layer"


def _from_class(cls, kwargs):
    scope = module_objects(cls)

    policy = keras.config.dtype_policy().name

    def make() -> Any:
        own = {name: copied(value, scope) for name, value in kwargs.items()}
        now = keras.config.dtype_policy().name
        if now != policy:
            own = {name: _under(value, policy, now, scope) for name, value in own.items()}
        return cls(**own)

    return make


def _under(value, policy, now, scope):
    """A layer argument as its author would make it under the policy that is set now."""
    if isinstance(value, list | tuple):
        return type(value)(_under(v, policy, now, scope) for v in value)
    if not isinstance(value, keras.layers.Layer):
        return value
    try:
        with keras.saving.custom_object_scope(scope):
            config = keras.saving.serialize_keras_object(value)
            return keras.saving.deserialize_keras_object(_renamed(config, policy, now))
    except Exception:
        return value


def _renamed(config, policy, now):
    """A serialised object with `now` wherever it names `policy`."""
    if isinstance(config, list):
        return [_renamed(c, policy, now) for c in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "DTypePolicy" and config["config"] == {"name": policy}:
        return {**config, "config": {"name": now}}
    return {k: _renamed(v, policy, now) for k, v in config.items() if k != "build_config"}


def copied(value: Any, scope: dict[str, Any]) -> Any:
    """A deep copy where one can be made: fresh layers must not share their arguments."""
    try:
        # Keras copies a layer by saving it, which needs its class by name.
        with keras.saving.custom_object_scope(scope):
            return copy.deepcopy(value)
    except Exception:
        return value


def _from_instance(layer):
    """Fresh copies from the config, else by deepcopy; the instance itself is not touched."""
    cls = type(layer)
    scope = module_objects(cls)
    original = copied(layer, scope)
    if original is layer:
        original = None

    def make() -> Any:
        try:
            with keras.saving.custom_object_scope(scope):
                return cls.from_config(layer.get_config())
        except Exception as error:
            if original is None:
                raise TypeError(
                    "an instance that can be rebuilt neither from its config nor by deepcopy: "
                    f"give the class with `kwargs`, or a factory. {one_line(error)}"
                ) from error
            return copied(original, scope)

    return Target(make, cls, None, original)


def module_objects(cls: type) -> dict[str, Any]:
    """Classes and functions beside the layer in its module: its own custom objects."""
    module = sys.modules.get(cls.__module__)
    found: dict[str, Any] = {cls.__name__: cls}
    if module is None or cls.__module__.startswith("keras."):
        return found
    for name, value in vars(module).items():
        own = getattr(value, "__module__", None) == cls.__module__
        if own and (isinstance(value, type) or inspect.isfunction(value)):
            found[name] = value
    return found
