"""Helpers of the imaging tests."""

import keras
import numpy as np
from keras import ops

from lamina._common import gradient


def numpy64(x):
    """A tensor as float64 in NumPy."""
    return np.asarray(ops.convert_to_numpy(x)).astype("float64")


def inner(one, two):
    """The inner product of two structures of arrays, in float64."""
    pairs = zip(keras.tree.flatten(one), keras.tree.flatten(two), strict=True)
    return sum((numpy64(a) * numpy64(b)).sum() for a, b in pairs)


def norm(tree):
    return np.sqrt(inner(tree, tree))


def tensors(tree, dtype):
    return keras.tree.map_structure(lambda x: ops.convert_to_tensor(x.astype(dtype), dtype), tree)


def dot_test(layer, image, others, dtype, rng):
    """|<A x, y> - <x, A^H y>| / (|A x| |y|) for a random y."""
    image, *others = tensors([image, *others], dtype)
    measured = layer([image, *others] if others else image)
    y = keras.tree.map_structure(
        lambda a: ops.convert_to_tensor(rng.standard_normal(a.shape).astype(dtype), dtype), measured
    )
    back = layer.adjoint([y, *others] if others else y)
    return abs(inner(measured, y) - inner(image, back)) / (norm(measured) * norm(y))


def directional(function, inputs, index, rng, step=1e-6):
    """The derivative of the scalar `function(inputs)` along a random direction of one input: by
    the backend and by differences.
    """
    direction = ops.convert_to_tensor(rng.standard_normal(inputs[index].shape), "float64")

    def moved(size):
        other = list(inputs)
        other[index] = other[index] + size * direction
        return float(numpy64(function(other)))

    found, _ = gradient(lambda x: (function(x), None), list(inputs))
    return inner(found[index], direction), (moved(step) - moved(-step)) / (2 * step)
