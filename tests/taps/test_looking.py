"""`tap_summary`: numbers by NumPy, and the first NaN."""

import keras
import numpy as np
from keras import ops

from lamina import tap_summary
from tests.taps.models import net


def test_numbers_are_numpys(rng, capsys):
    model, x = net(rng)
    found = {line.path: line for line in tap_summary(model, x).lines}
    wanted = {k: ops.convert_to_numpy(v) for k, v in model.by_hand(x).items()}
    inside = found["nested.inside"]
    np.testing.assert_allclose(inside.mean, wanted["inside"].mean(), rtol=1e-5)
    np.testing.assert_allclose(inside.scale, wanted["inside"].std(), rtol=1e-5)
    np.testing.assert_allclose(inside.zero_share, (wanted["inside"] == 0).mean())
    assert inside.shapes == [(6, 4)] and inside.dtypes == ["float32"]
    both = np.stack([wanted["once0"], wanted["twice0"]])
    np.testing.assert_allclose(found["blocks.0.shared"].mean, both.mean(), rtol=1e-4)
    assert found["blocks.0.shared"].calls == 2 and found["spare"].calls == 0
    printed = capsys.readouterr().out
    assert "nested (Functional)" in printed and "(6,4)" in printed


def test_the_layer_where_nan_begins_is_found(rng):
    class Root(keras.layers.Layer):
        def call(self, x):
            return ops.sqrt(x)

    layers = [keras.layers.Rescaling(1.0, name="fine"), Root(name="root"), keras.layers.ReLU(6.0)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    x = np.array([[4.0, -1.0, 9.0]], "float32")
    found = tap_summary(model, x)
    assert found.first_nan == "root"
    assert {line.path: line.nans for line in found.lines}["root"] == 1
    assert tap_summary(model, np.abs(x)).first_nan is None


def test_nan_of_the_inputs_and_between_the_layers_is_told_apart(capsys):
    x = np.array([[4.0, np.nan, 9.0]], "float32")
    inputs = keras.Input((3,))
    raw = ops.sqrt(keras.layers.Rescaling(-1.0, name="minus")(inputs))
    model = keras.Model(inputs, keras.layers.ReLU(name="after")(raw), name="whole")
    assert tap_summary(model, x).first_nan is None
    assert "The inputs have NaN already." in capsys.readouterr().out
    assert tap_summary(model, np.ones((1, 3), "float32")).first_nan == "whole"
    assert "in `whole` itself" in capsys.readouterr().out


def test_lists_what_can_be_tapped():
    layers = [keras.Input((4, 3)), keras.layers.LSTM(2, name="lstm"), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    found = tap_summary(model, np.ones((1, 4, 3), "float32"))
    assert [line.path for line in found.lines] == [layer.name for layer in model.layers]


def test_leaves_no_trace(rng):
    model, x = net(rng)
    before = [np.array(w) for w in model.get_weights()]
    tap_summary(model, x, training=True)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
