"""Building a layer that another one holds."""

import keras


class _Call(keras.Operation):
    """A call of a layer, as an operation that Keras can run on symbols."""

    def __init__(self, function):
        super().__init__(name="call")
        self.function = function

    def call(self, *args, **kwargs):
        return self.function(*args, **kwargs)


def symbolic(function, *args, **kwargs):
    """`function` run on symbolic tensors: shapes and dtypes, no arithmetic, no change of state."""
    try:
        return _Call(function).compute_output_spec(*args, **kwargs)
    except Exception as error:
        # Keras puts advice about our private class before what went wrong.
        advice, _, cause = str(error).partition("Error encountered:\n\n")
        raise ValueError(cause or advice) from error


def build_inner(layer, input_shape):
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


def symbols(shape, dtype):
    """Symbolic tensors of a shape, or of a nested structure of shapes."""
    if isinstance(shape, dict):
        return {key: symbols(value, dtype) for key, value in shape.items()}
    if any(isinstance(part, tuple | list | dict) for part in shape):
        return [symbols(part, dtype) for part in shape]
    return keras.KerasTensor(shape, dtype)


def compile_from_config(model, config):
    """What Keras does on loading, and leaves out where a model has a `compile` of its own."""
    model.compile(**keras.saving.deserialize_keras_object(config))
    if model.built:
        model.optimizer.build(model.trainable_variables)
