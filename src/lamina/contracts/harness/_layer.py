"""One layer from outside: its variables, attributes, sub-layers and arguments."""

import contextlib
import copy
import inspect
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from lamina._common import to_numpy

# Variables of a layer, each with a value to restore.
Saved = list[tuple[keras.Variable, np.ndarray]]


def variables_of(layer: keras.layers.Layer) -> list[keras.Variable]:
    """All that a layer lists: weights, seeds, and its metrics, which Keras lists separately."""
    listed = [*layer.variables, *getattr(layer, "metrics_variables", ())]
    return list({id(v): v for v in listed}.values())


def state_of(layer: keras.layers.Layer) -> Saved:
    """Every variable that a layer lists, or only holds, with its present value."""
    listed = variables_of(layer)
    known = {id(v) for v in listed}
    return [(v, np.array(to_numpy(v.value))) for v in [*listed, *_held(layer, known, 3)]]


def _held(value: Any, seen: set[int], depth: int) -> list[keras.Variable]:
    """Keras variables in attributes, also of sub-layers: a stateful RNN does not list its state."""
    if id(value) in seen or depth < 0:
        return []
    seen.add(id(value))
    if isinstance(value, keras.Variable):
        return [value]
    if isinstance(value, keras.layers.Layer):
        return [v for inner in vars(value).values() for v in _held(inner, seen, 3)]
    if isinstance(value, dict):
        value = list(value.values())
    inside = value if isinstance(value, list | tuple) else []
    return [v for inner in inside for v in _held(inner, seen, depth - 1)]


def restore(state: Saved) -> None:
    """Gives each variable its saved value."""
    for variable, value in state:
        variable.assign(value)


def is_random_state(variable: keras.Variable) -> bool:
    """A seed generator's variable: not the layer's own state."""
    floating = keras.backend.is_float_dtype(variable.dtype)
    return "seed" in variable.path and not variable.trainable and not floating


def own_state(layer: keras.layers.Layer) -> Saved:
    """Every variable with its value, without the random state."""
    return [(v, x) for v, x in state_of(layer) if not is_random_state(v)]


def perturb_weights(layer: keras.layers.Layer) -> None:
    """Floating weights moved a little, upwards: a variance stays positive, a loss shows."""
    rng = np.random.default_rng(1)
    for variable in layer.variables:
        value = to_numpy(variable.value)
        if keras.backend.is_float_dtype(variable.dtype):
            # A few per cent: large enough to show in float32, small enough to stay in range.
            noise = rng.uniform(0.01, 0.05, value.shape)
            variable.assign(np.asarray(value, "float64") * (1 + noise) + noise)


def copy_weights(source: keras.layers.Layer, destination: keras.layers.Layer) -> None:
    """The values of `source` in `destination`, variable by variable."""
    own, others = ([v for v, _ in state_of(layer)] for layer in (source, destination))
    if len(own) != len(others):
        own, others = source.variables, destination.variables
    for ours, theirs in zip(own, others, strict=True):
        theirs.assign(
            np.asarray(to_numpy(ours.value)).astype("float64")
            if keras.backend.is_float_dtype(ours.dtype)
            else to_numpy(ours.value)
        )


def required_arguments(layer: keras.layers.Layer) -> list[str]:
    """Names of `call`'s arguments that have no default: its tensors."""
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        p.name
        for p in inspect.signature(layer.call).parameters.values()
        if p.kind not in several and p.default is p.empty and p.name not in ("training", "mask")
    ]


def has_mode(layer: keras.layers.Layer) -> bool:
    """Does its call learn whether this is training?"""
    parameters = inspect.signature(layer.call).parameters.values()
    return any(p.name == "training" or p.kind is p.VAR_KEYWORD for p in parameters)


def has_own_build(layer: keras.layers.Layer) -> bool:
    """Did the author write build()? Keras builds the others by calling them."""
    own = getattr(type(layer).build, "__wrapped__", type(layer).build)
    return own is not keras.layers.Layer.build and type(layer).build is not keras.layers.Layer.build


def attributes(layer: Any) -> dict[str, Any]:
    """A layer's own attributes: not those that every Keras layer has."""
    plain = _plain_attributes()
    own = {n: v for n, v in vars(layer).items() if n not in plain}
    # On PyTorch a layer keeps its sub-layers apart, as modules.
    for name, module in getattr(layer, "named_children", list)():
        if isinstance(module, keras.layers.Layer) and name not in plain:
            own.setdefault(name, module)
    return own


_PLAIN: set[str] = set()


def _plain_attributes() -> set[str]:
    """What an empty layer has once called."""
    if not _PLAIN:
        empty = keras.layers.Layer()
        model = keras.layers.Identity()
        model(np.zeros((1, 1), "float32"))
        _PLAIN.update(vars(empty), vars(model))
        _PLAIN.discard("supports_masking")
    return _PLAIN


@contextlib.contextmanager
def held(layer: keras.layers.Layer) -> Iterator[None]:
    """Python attributes, of sub-layers too, are inside as after; those that came are gone.

    What a first call builds stays.
    """
    owners = [layer, *sub_layers(layer)] if layer.built else []
    before = [{n: _kept(v) for n, v in attributes(owner).items()} for owner in owners]
    try:
        yield
    finally:
        for owner, values in zip(owners, before, strict=True):
            for name in set(attributes(owner)) & set(vars(owner)):
                if name not in values:
                    object.__delattr__(owner, name)
                elif not isinstance(values[name], keras.layers.Layer | keras.Variable):
                    object.__setattr__(owner, name, values[name])


def _kept(value: Any) -> Any:
    """A container copied, anything else as it is."""
    return copy.copy(value) if isinstance(value, list | dict | set) else value


def sub_layers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Every layer inside, however deep."""
    found: list[keras.layers.Layer] = []
    waiting = _children(layer)
    while waiting:
        child = waiting.pop()
        if not any(child is f for f in found):
            found.append(child)
            waiting += _children(child)
    return found


def _children(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    own = attributes(layer).values()
    return [c for value in own for c in _layers_within(value) if c is not layer]


def _layers_within(value: Any) -> Iterator[keras.layers.Layer]:
    if isinstance(value, keras.layers.Layer):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _layers_within(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _layers_within(inner)
