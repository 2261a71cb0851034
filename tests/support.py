"""Helpers that several test files need."""

import keras
import numpy as np


def to_numpy_tree(tree):
    """Every tensor of a nested structure as a NumPy array."""
    return keras.tree.map_structure(keras.ops.convert_to_numpy, tree)


def in_one(function):
    """`function`, compiled whole on JAX, where each operation would be compiled by itself for each
    shape: many times slower. Weights stay as they are at the first call.
    """
    if keras.backend.backend() != "jax":
        return function
    import jax

    return jax.jit(lambda *args, **kwargs: function(*args, **kwargs))


def as_list(tree):
    """The leaves of a nested structure."""
    return keras.tree.flatten(tree)


def all_close(ours, theirs, tolerance):
    """Equal shapes and NaN places; differences within `tolerance` of the largest |value|."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape
    if tolerance == 0:
        np.testing.assert_array_equal(ours, theirs.astype(ours.dtype))
        return
    ours, theirs = ours.astype("float64"), theirs.astype("float64")
    largest = np.nanmax(np.abs(theirs), initial=0.0, where=np.isfinite(theirs))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * max(largest, 1e-30))


def functional_model(layer, inputs, variable_axes=()):
    """A Functional model of `layer` alone, outputs in one flat list; batch and `variable_axes`
    unknown.
    """

    def symbolic(i, x):
        shape = [None if axis + 1 in variable_axes else n for axis, n in enumerate(x.shape[1:])]
        return keras.Input(shape, dtype=x.dtype.name, name=f"input_{i}")

    flat = [symbolic(i, x) for i, x in enumerate(as_list(inputs))]
    symbols = keras.tree.pack_sequence_as(inputs, flat)
    return keras.Model(symbols, as_list(layer(symbols)))
