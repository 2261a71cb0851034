"""Tensors of any backend to NumPy."""

import keras


def to_numpy(x):
    """A NumPy array of `x`, whatever the backend, device or gradient state."""
    if getattr(x, "shape", None) == ():  # TensorFlow cannot hand over one bfloat16 number.
        return keras.ops.convert_to_numpy(keras.ops.reshape(x, (1,))).reshape(())
    return keras.ops.convert_to_numpy(x)
