"""How a sample becomes the arguments of `call` and of `build`."""

import inspect
import warnings
from collections.abc import Sequence
from typing import Any

import keras

from lamina._common import Tree
from lamina.contracts.harness._failure import layer_code
from lamina.contracts.harness._layer import required_arguments

# Arguments of `call` that Keras itself fills in.
KERAS_OWN = ("training", "mask")


def takes_several(layer: keras.layers.Layer, inputs: Tree) -> bool:
    """May a list be the arguments of `call` in their order, and not one argument?

    An argument that is None without a value takes a tensor; one that is False is a switch.
    """
    if not isinstance(inputs, list | tuple) or len(inputs) < 2:
        return False
    return len(required_arguments(layer)) <= len(inputs) <= len(tensor_arguments(layer))


def tensor_arguments(layer: keras.layers.Layer) -> list[str]:
    """Names of `call`'s positional arguments that are required, or None by default."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    found = []
    for p in inspect.signature(layer.call).parameters.values():
        if p.kind not in positional or p.name in KERAS_OWN:
            break
        if p.default is not p.empty and p.default is not None:
            break
        found.append(p.name)
    return found


def call_arguments(
    layer: keras.layers.Layer, inputs: Tree, several: bool
) -> tuple[list[Any], dict[str, Any]]:
    """The positional and keyword arguments of `call`.

    Args:
        layer: Whose signature decides.
        inputs: One tensor or nest; a dict by the arguments' names; or, where `several`, a list of
            the arguments in their order.
        several: A list holds several arguments.
    """
    if isinstance(inputs, dict):
        names = set(inspect.signature(layer.call).parameters)
        if set(required_arguments(layer)) <= set(inputs) <= names:
            return [], dict(inputs)
    if several and isinstance(inputs, list | tuple):
        return list(inputs), {}
    return [inputs], {}


def input_names(layer: keras.layers.Layer, inputs: Tree, several: bool) -> list[str]:
    """A name for each leaf of a sample: an argument of `call`, a key, or a place in a list."""
    args, _ = call_arguments(layer, inputs, several)
    if len(args) > 1:
        inputs = dict(zip(tensor_arguments(layer), args, strict=False))
    return [".".join(map(str, path)) or "0" for path in _paths(inputs)]


def _paths(tree: Tree, above: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Where each leaf stands, in the order of `keras.tree.flatten`."""
    if isinstance(tree, dict):
        return [p for key in sorted(tree) for p in _paths(tree[key], (*above, key))]
    if isinstance(tree, list | tuple):
        return [p for n, inner in enumerate(tree) for p in _paths(inner, (*above, n))]
    return [above]


def build_by_shapes(layer: keras.layers.Layer, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
    """`layer.build` on the shapes of symbolic arguments, as a parent's build does; no call."""
    shapes = [_shapes_of(a) for a in [*args, *kwargs.values()]]
    parameters = inspect.signature(layer.build).parameters
    names = [p for p in parameters if p not in ("args", "kwargs")]
    call_names = list(inspect.signature(layer.call).parameters)
    if len(names) > 1:
        by_name = dict(zip([*call_names[: len(args)], *kwargs], shapes, strict=False))
        given = {
            n: by_name[n.removesuffix("_shape")]
            for n in names
            if n.removesuffix("_shape") in by_name
        }
    else:
        given = {names[0]: shapes[0]} if names else {}
    with warnings.catch_warnings(), layer_code("build() on its input shapes"):
        warnings.simplefilter("ignore")
        if given:
            layer.build(**given)
        else:
            layer.build(shapes[0])


def _shapes_of(tree: Tree) -> Tree:
    """The shapes of symbolic tensors, in the same nest.

    Not by `keras.tree`, which takes a shape, a tuple, for a nest.
    """
    if isinstance(tree, dict):
        return {k: _shapes_of(v) for k, v in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(_shapes_of(v) for v in tree)
    return tuple(tree.shape)
