"""What every public layer is held to, through its row."""

import keras
import numpy as np
import pytest

import lamina
from lamina.contracts.harness import with_length
from tests.registry import ROWS, case
from tests.support import all_close, as_list, functional_model, to_numpy_tree

BY_NAME = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


@pytest.fixture
def in_float64():
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(before)


def public_layers():
    """Every layer class that `lamina` exports, aliases once."""
    exported = {name: getattr(lamina, name) for name in lamina.__all__}
    return {
        value.__name__
        for value in exported.values()
        if isinstance(value, type)
        and issubclass(value, keras.layers.Layer)
        and not issubclass(value, keras.Model)
    }


def test_every_public_layer_has_a_row():
    missing = public_layers() - {row.layer for row in ROWS}
    assert not missing, f"no row in tests/registry for {sorted(missing)}"


def test_row_names_are_unique_and_public():
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names))
    assert {row.layer for row in ROWS} <= public_layers()


@BY_NAME
def test_layer_is_registered_under_lamina(row):
    layer = row.make()
    assert keras.saving.get_registered_name(type(layer)) == f"lamina>{type(layer).__name__}"


@BY_NAME
def test_equals_its_oracle(row):
    if row.oracle is None:
        pytest.skip("its own test file holds the closed form")
    layer, inputs = case(row)
    result = as_list(to_numpy_tree(layer(inputs)))
    expected = as_list(row.oracle(layer, inputs))
    assert len(result) == len(expected)
    for ours, theirs in zip(result, expected, strict=True):
        all_close(ours, theirs, row.tolerance)


@pytest.mark.tensorflow  # the one that does not mix dtypes
@BY_NAME
def test_a_program_in_float64_can_use_it(row, in_float64):
    layer, inputs = case(row)
    first = keras.tree.flatten(layer(inputs))[0]
    assert np.isfinite(keras.ops.convert_to_numpy(first)).any()
    dtypes = [keras.backend.standardize_dtype(v.dtype) for v in (first, *layer.weights)]
    assert "float32" not in dtypes


@BY_NAME
def test_saved_model_needs_no_custom_objects(row, tmp_path):
    layer, inputs = case(row)
    model = functional_model(layer, inputs)
    before = to_numpy_tree(model(inputs))
    model.save(tmp_path / "model.keras")
    after = to_numpy_tree(keras.saving.load_model(tmp_path / "model.keras")(inputs))
    for ours, theirs in zip(as_list(after), as_list(before), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.tensorflow  # JAX compiles each shape anew by design, PyTorch none
@BY_NAME
def test_changing_lengths_are_traced_at_most_twice(row):
    import tensorflow as tf

    layer, inputs = case(row)
    axes = row.traits.get("variable_axes", ())
    if not axes:
        pytest.skip("its lengths are fixed")
    layer(inputs)
    traced = tf.function(layer, reduce_retracing=True)
    for length in (5, 7, 6, 12, 9):
        traced(keras.tree.map_structure(tf.constant, with_length(inputs, axes, length)))
    assert traced.experimental_get_tracing_count() <= 2
