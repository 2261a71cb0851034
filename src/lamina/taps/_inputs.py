"""The inputs that a model gets, compared with those that it was built for."""

import contextlib
from collections.abc import Iterator

import keras

from lamina._common import Tree, received


@contextlib.contextmanager
def inputs_for(model: keras.layers.Layer, inputs: Tree) -> Iterator[None]:
    """Where the model fails inside, an error in its terms if `inputs` have another structure."""
    try:
        yield
    except Exception as error:
        wanted = input_shape(model)
        if wanted is None or _fits(wanted, inputs):
            raise
        shapes = keras.tree.map_structure(
            lambda x: tuple(x.shape) if hasattr(x, "shape") else x, inputs
        )
        raise ValueError(
            f"`inputs` must have the structure that {model.name} ({type(model).__name__}) was "
            f"built for: {wanted}. {received('inputs', shapes)}"
        ) from error


def input_shape(model: keras.layers.Layer) -> Tree:
    """The shape, or structure of shapes, that a built model was built for; None if unknown."""
    if (inputs := graph_inputs(model)) is not None:
        return keras.tree.map_structure(lambda x: x.shape, inputs)
    return (model.get_build_config() or {}).get("input_shape")


def graph_inputs(model: keras.layers.Layer) -> Tree:
    """The symbolic inputs of a Functional or Sequential model, with their names and dtypes."""
    if not isinstance(model, keras.Model) or not model.built:
        return None
    if isinstance(model, keras.Sequential):
        return model.inputs[0]
    return model.input if hasattr(model, "inputs") else None


def _fits(wanted: Tree, inputs: Tree) -> bool:
    """Are `inputs` nested as the shapes in `wanted` are?"""
    if isinstance(wanted, dict):
        return isinstance(inputs, dict) and all(
            key in inputs and _fits(shape, inputs[key]) for key, shape in wanted.items()
        )
    if any(isinstance(part, tuple | list | dict) for part in wanted):
        same = isinstance(inputs, tuple | list) and len(inputs) == len(wanted)
        return same and all(map(_fits, wanted, inputs))
    return not isinstance(inputs, dict | tuple | list)
