"""The fast paths: few compilations, the same numbers, out of the way of exports."""

import keras
import numpy as np
import pytest

import lamina
from lamina._common import is_exporting
from lamina._common._fast import xla_compiled


@pytest.mark.tensorflow
def test_changing_lengths_compile_a_bounded_number_of_times():
    """XLA compiles once for each shape that `core` is traced with."""
    shapes = []

    def core(x, factor):
        shapes.append(tuple(x.shape))
        return keras.ops.cast(x, "int32") * factor

    fast = xla_compiled(core)
    for length in range(2000):
        x = np.arange(length, dtype="uint8")[:, None]
        if length % 37 == 0 or length > 1990:
            assert np.array_equal(fast(keras.ops.convert_to_tensor(x), 3), x.astype("int32") * 3)
    assert shapes == sorted(set(shapes))
    assert len(shapes) <= 14


@pytest.mark.tensorflow
def test_many_configurations_are_no_reason_to_warn(caplog):
    """TensorFlow warns of a function that it traces again at five calls in a row."""
    for bits in range(1, 13):
        lamina.BitUnpack(bits, 8)(np.zeros((3, bits), "uint8"))
    assert "retracing" not in caplog.text


@pytest.mark.tensorflow
def test_a_known_length_in_a_graph_is_compiled_as_it_is():
    import tensorflow as tf

    shapes = []

    def core(x):
        shapes.append(tuple(x.shape))
        return x + 1

    tf.function(xla_compiled(core))(tf.zeros((7, 2)))
    assert shapes == [(7, 2)]


@pytest.mark.tensorflow
def test_islands_step_aside_in_exports(tmp_path):
    seen = []

    class Probe(keras.layers.Layer):
        def call(self, x):
            seen.append(is_exporting())
            return x

    inputs = keras.Input((3,))
    model = keras.Model(inputs, Probe()(inputs))
    model(np.zeros((1, 3)))
    assert seen and not any(seen)
    seen.clear()
    model.export(tmp_path / "saved", format="tf_saved_model", verbose=False)
    assert seen and all(seen)
