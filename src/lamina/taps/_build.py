"""Building a layer that another one holds."""

from collections.abc import Callable
from typing import Any

import keras

from lamina._common import Tree


class _Call(keras.Operation):
    """A call of a layer, as an operation that Keras can run on symbolic tensors."""

    def __init__(self, function: Callable) -> None:
        super().__init__(name="call")
        self.function = function

    def call(self, *args: Any, **kwargs: Any) -> Tree:
        return self.function(*args, **kwargs)


def symbolic(function: Callable, *args: Any, **kwargs: Any) -> Tree:
    """`function` run on symbolic tensors: shapes and dtypes, no arithmetic, no change of state."""
    try:
        return _Call(function).compute_output_spec(*args, **kwargs)
    except Exception as error:
        # Before the cause, Keras prints advice about our private class.
        advice, _, cause = str(error).partition("Error encountered:\n\n")
        raise ValueError(cause or advice) from error


def build_inner(layer: keras.layers.Layer, input_shape: Tree) -> None:
    """Make all weights of `layer`, which its owner is about to hold as built."""
    if layer.built:
        return
    if type(layer).build is not keras.layers.Layer.build:
        layer.build(input_shape)
        return
    # It builds its sublayers as they are called. Only shapes are known here, so the inputs may be
    # numbers or codes; where neither runs, the first real call builds.
    for dtype in (layer.compute_dtype, "int32"):
        try:
            symbolic(layer, symbols(input_shape, dtype))
            return
        except Exception:
            continue


def symbols(shape: Tree, dtype: Any) -> Tree:
    """Symbolic tensors of a shape, or of a nested structure of shapes."""
    if isinstance(shape, dict):
        return {key: symbols(value, dtype) for key, value in shape.items()}
    if any(isinstance(part, tuple | list | dict) for part in shape):
        return [symbols(part, dtype) for part in shape]
    return keras.KerasTensor(shape, dtype)


def compile_from_config(model: keras.Model, config: dict[str, Any]) -> None:
    """What Keras does on loading, but not for a model with a `compile` of its own."""
    model.compile(**keras.saving.deserialize_keras_object(config))
    if model.built:
        model.optimizer.build(model.trainable_variables)
