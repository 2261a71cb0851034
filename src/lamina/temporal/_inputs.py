"""Checks of what comes into a temporal layer."""

import keras
from keras import ops

from lamina._common import Array, Shape, invalid, received

SHAPE = "`(batch, time, features)`"


def check_features(layer: keras.layers.Layer, input_shape: Shape) -> int:
    """The number of features of an input shape, or a ValueError that names what is wrong."""
    shape = tuple(input_shape)
    name = type(layer).__name__
    if len(shape) != 3:
        repair = "add a features axis: `x[..., None]`" if len(shape) == 2 else "reshape it"
        raise ValueError(
            f"`{name}` takes inputs of shape {SHAPE}; {repair}. {received('input_shape', shape)}"
        )
    if shape[-1] is None or shape[-1] < 1:
        raise ValueError(
            f"`{name}` must know the number of features, at least 1, when it is built: "
            f"give the last axis a size. {received('input_shape', shape)}"
        )
    return shape[-1]


def checked_initial(initial: str) -> str:
    """`initial`, what was before the first sample, or a ValueError."""
    if initial not in ("zeros", "edge"):
        wanted = 'what was before the first sample: "zeros", or "edge" for its first valid one'
        raise invalid("initial", wanted, initial)
    return initial


def real_input(layer: keras.layers.Layer, x: Array) -> Array:
    """`x` in the layer's compute dtype; integers and booleans are taken as numbers."""
    dtype = keras.backend.standardize_dtype(x.dtype)
    if dtype == layer.compute_dtype:
        return x
    if dtype == "string" or dtype.startswith("complex"):
        raise ValueError(
            f"`{type(layer).__name__}` takes real numbers; for complex samples give the real and "
            f"imaginary parts as two features. {received('inputs.dtype', dtype)}"
        )
    return ops.cast(x, layer.compute_dtype)


def marks_of(name: str, marks: Array | None, x: Array) -> Array | None:
    """`marks` `(batch, time)`, one for each step of `x`, as booleans; None stays None."""
    if marks is None:
        return None
    marks = marks if hasattr(marks, "shape") else ops.convert_to_tensor(marks)
    given, wanted = tuple(marks.shape), tuple(x.shape[:2])
    fits = len(given) == 2 and all(
        None in pair or pair[0] == pair[1] for pair in zip(given, wanted, strict=True)
    )
    if not fits:
        raise ValueError(
            f"`{name}` must have the shape (batch, time), one mark for each step: {wanted} here. "
            f"{received(f'{name}.shape', given)}"
        )
    return ops.cast(marks, "bool")


def mark_zero(x: Array, mask: Array | None) -> Array:
    """`x`, 0 where it is masked. By `where`, not by a product: NaN there must not get through."""
    if mask is None:
        return x
    return ops.where(mask[..., None], x, ops.zeros((), x.dtype))


def mask_of(inputs: Array) -> Array | None:
    """The mask that Keras attached to `inputs`, if any.

    Keras passes it to `call` by itself only where the inputs are the one tensor argument; beside
    `reset` they are not.
    """
    return getattr(inputs, "_keras_mask", None)
