"""Complex images as pairs of reals: products, inner products and the centred Fourier transform.

Inside the family a complex array is a pair `(real, imaginary)` of arrays; between layers it is one
array whose last axis holds the two. Complex tensors do not cross a layer's border: Keras trains
complex weights wrongly on every backend (docs/keras-defects.md), and they do not export.
"""

from collections.abc import Sequence
from typing import TypeAlias

import keras
import numpy as np
from keras import ops

from lamina._common import Array, is_exporting, received
from lamina._common._fast import fourier_transform, product

Pair: TypeAlias = Sequence[Array]


def split(x: Array) -> Pair:
    """`(..., 2)` as its real and imaginary parts."""
    return x[..., 0], x[..., 1]


def join(z: Pair) -> Array:
    """Real and imaginary parts as `(..., 2)`."""
    return ops.stack(z, axis=-1)


def multiply(a: Pair, b: Pair) -> Pair:
    """The complex product, entry by entry."""
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def conjugate(z: Pair) -> Pair:
    """The complex conjugate."""
    return z[0], -z[1]


def fourier(z: Pair, inverse: bool = False, centred: bool = True) -> Pair:
    """The orthonormal Fourier transform over the last two axes of `z`.

    Centred: frequency and position 0 stand at index n // 2, `fftshift(F(ifftshift(z)))`.
    """
    if is_exporting():
        # No runtime beside TensorFlow's own has a Fourier transform of two axes; all have products.
        return _by_matrices(z, inverse, centred)
    dtype = keras.backend.standardize_dtype(z[0].dtype)
    # No backend has a Fourier transform in half precision.
    wide = "float32" if dtype in ("float16", "bfloat16") else dtype
    z = tuple(ops.cast(part, wide) for part in z)
    height, width = ops.shape(z[0])[-2:]
    if centred:
        z = _rolled(z, -(height // 2), -(width // 2))
    z = fourier_transform(z[0], z[1], inverse)
    root: Array = ops.sqrt(ops.cast(height * width, z[0].dtype))
    z = tuple(ops.cast(part * root if inverse else part / root, dtype) for part in z)
    return _rolled(z, height // 2, width // 2) if centred else z


def _rolled(z: Pair, rows: Array, columns: Array) -> Pair:
    real, imaginary = (ops.roll(ops.roll(part, rows, -2), columns, -1) for part in z)
    return real, imaginary


def _by_matrices(z: Pair, inverse: bool, centred: bool) -> Pair:
    height, width = z[0].shape[-2:]
    if height is None or width is None:
        raise ValueError(
            "a Fourier transform is exported as products by matrices, for which height and width "
            f"must be known: give the Input both. {received('shape', tuple(z[0].shape))}"
        )
    dtype = keras.backend.standardize_dtype(z[0].dtype)
    z = _transformed(z, _matrix(width, inverse, centred, dtype))
    z = tuple(ops.swapaxes(part, -1, -2) for part in z)
    z = _transformed(z, _matrix(height, inverse, centred, dtype))
    return tuple(ops.swapaxes(part, -1, -2) for part in z)


def _transformed(z: Pair, matrix: Pair) -> Pair:
    """`z` times a symmetric complex matrix, along the last axis."""
    real, imaginary = (product(z[0], part) for part in matrix)
    return real - product(z[1], matrix[1]), imaginary + product(z[1], matrix[0])


def _matrix(n: int, inverse: bool, centred: bool, dtype: str) -> Pair:
    index = np.arange(n) - (n // 2 if centred else 0)
    angle = (2 if inverse else -2) * np.pi * (np.outer(index, index) % n) / n
    parts = (np.cos(angle) / np.sqrt(n), np.sin(angle) / np.sqrt(n))
    return tuple(ops.convert_to_tensor(part.astype(dtype), dtype) for part in parts)
