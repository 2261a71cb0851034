"""Tensors of any backend to NumPy."""

from typing import cast

import keras
import numpy as np

from lamina._common._types import Array


def to_numpy(x: Array) -> np.ndarray:
    """A NumPy array of `x`, whatever the backend, device or gradient state."""
    if getattr(x, "shape", None) == ():  # TensorFlow cannot convert one bfloat16 number.
        return to_numpy(keras.ops.reshape(x, (1,))).reshape(())
    return cast(np.ndarray, keras.ops.convert_to_numpy(x))
