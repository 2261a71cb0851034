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
from lamina._common._fast import as_complex, complex_parts, fourier_transform, product
from lamina.imaging._checks import at_least_single

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
    z = native(z)
    sizes: Array = ops.shape(z)[-2:]
    height, width = sizes
    if centred:
        z = _to_first(z)
    real, imaginary = complex_parts(fourier_transform(z, inverse))
    root: Array = ops.sqrt(ops.cast(height * width, real.dtype))
    parts = (part * root if inverse else part / root for part in (real, imaginary))
    z = as_complex(*parts)
    return pair(_to_middle(z) if centred else z, dtype)


def fourier_weighted(z: Array, weights: Array | None) -> Array:
    """`F^H (weights F z)`, centred, for `native` numbers and real weights that broadcast.

    Two of the four shifts of a transform and its inverse cancel, and so do their scales.
    """
    z = fourier_transform(_to_first(z), inverse=False)
    if weights is not None:
        weights = _to_first(weights)
        z = z * as_complex(weights, ops.zeros_like(weights))
    return _to_middle(fourier_transform(z, inverse=True))


def native(z: Pair) -> Array:
    """A pair as the backend's complex numbers, of single precision at least: no backend has a
    Fourier transform in half precision.
    """
    wide = at_least_single(keras.backend.standardize_dtype(z[0].dtype))
    real, imaginary = (ops.cast(part, wide) for part in z)
    return as_complex(real, imaginary)


def pair(z: Array, dtype: str) -> Pair:
    """What `native` gives as a pair again."""
    real, imaginary = complex_parts(z)
    return ops.cast(real, dtype), ops.cast(imaginary, dtype)


def _to_first(z: Array) -> Array:
    """`ifftshift` over the last two axes: from the middle to index 0."""
    sizes: Array = ops.shape(z)[-2:]
    return ops.roll(ops.roll(z, -(sizes[0] // 2), -2), -(sizes[1] // 2), -1)


def _to_middle(z: Array) -> Array:
    """`fftshift` over the last two axes."""
    sizes: Array = ops.shape(z)[-2:]
    return ops.roll(ops.roll(z, sizes[0] // 2, -2), sizes[1] // 2, -1)


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
