"""Tensors of any backend to NumPy."""

import keras


def to_numpy(x):
    """A NumPy array of `x`, whatever the backend, device or gradient state."""
    return keras.ops.convert_to_numpy(x)
