"""What `FiniteScalarQuantizer` promises."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from lamina import CodebookUsage, FiniteScalarQuantizer
from lamina._common import to_numpy
from tests.quantize.test_vector_quantizer import POLICIES, gradient_of

# vector-quantize-pytorch 1.32.0, torch 2.13: FSQ([8, 5, 4, 3])(X) -> (VALUES, CODES).
X = [
    [0.0, 0.6, -0.55, -1.78],
    [-0.91, -1.98, 0.12, 2.68],
    [-0.98, -1.24, 0.98, 0.71],
    [0.21, -1.86, -0.06, 1.39],
    [-2.69, -0.92, -3.8, -2.58],
    [-3.68, -0.47, -2.53, 0.54],
]
VALUES = [
    [0.0, 0.5, -0.5, -1.0],
    [-0.75, -1.0, 0.0, 1.0],
    [-0.75, -1.0, 0.5, 1.0],
    [0.25, -1.0, 0.0, 1.0],
    [-1.0, -0.5, -1.0, -1.0],
    [-1.0, -0.5, -1.0, 0.0],
]
CODES = [68, 401, 441, 405, 8, 168]


def test_values_and_codes_are_those_of_the_pytorch_layer():
    values, codes = FiniteScalarQuantizer([8, 5, 4, 3], return_codes=True)(np.array(X, "float32"))
    assert to_numpy(values).tolist() == VALUES
    assert to_numpy(codes).tolist() == CODES


@pytest.mark.parametrize("policy", POLICIES)
def test_decoding_the_codes_gives_the_output_to_the_bit(policy, rng):
    layer = FiniteScalarQuantizer((8, 5, 7, 2, 3), return_codes=True, dtype=policy)
    x = rng.standard_normal((50, 4, 5)).astype("float32") * 2
    for training in (False, True):
        values, codes = layer(x, training=training)
        assert to_numpy(values).tobytes() == to_numpy(layer.decoder()(codes)).tobytes()


@given(st.lists(st.integers(2, 9), min_size=1, max_size=4))
def test_every_code_is_its_own_value(levels):
    layer = FiniteScalarQuantizer(levels)
    codes = np.arange(layer.codes)
    digits = np.stack(np.unravel_index(codes, levels[::-1]), -1)[:, ::-1]
    half = np.array(levels) // 2
    radius = (np.array(levels) - 1) * 1.001 / 2
    offset = np.where(np.array(levels) % 2 == 0, 0.5, 0.0)
    # The inputs whose bounded value is the level itself.
    x = np.arctanh((digits - half + offset) / radius) - np.arctanh(offset / radius)
    assert np.array_equal(to_numpy(layer.encode(x.astype("float32"))), codes)


def test_the_gradient_is_that_of_the_bound(rng):
    layer = FiniteScalarQuantizer((8, 5))
    x = rng.standard_normal((6, 2)).astype("float32")
    gradient = gradient_of(lambda v: ops.reshape(ops.sum(layer(v)), (1, 1)), x)

    def bound(v):
        radius, offset = np.array([7, 4]) * 1.001 / 2, np.array([0.5, 0])
        return (radius * np.tanh(v + np.arctanh(offset / radius)) - offset) / np.array([4, 2])

    x = x.astype("float64")
    numeric = (bound(x + 1e-6) - bound(x - 1e-6)) / 2e-6
    np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=1e-6)


def test_masked_and_nan_vectors_have_no_code(rng):
    layer = FiniteScalarQuantizer((3, 3), return_codes=True)
    x = rng.standard_normal((2, 4, 2)).astype("float32")
    mask = np.array([[1, 1, 0, 0], [1, 1, 1, 1]], bool)
    x[0, 2], x[1, 1] = np.nan, np.nan
    values, codes = map(to_numpy, layer(x, mask=ops.array(mask)))
    assert codes[0].tolist()[2:] == [-1, -1] and codes[1, 1] == -1 and (codes >= 0).sum() == 5
    assert not values[0, 2:].any() and np.isnan(values[1, 1]).all()


def test_usage_is_a_metric_of_its_codes_in_fit(rng):
    inputs = keras.Input((2,))
    values, codes = FiniteScalarQuantizer((3, 3), return_codes=True)(inputs)
    model = keras.Model(inputs, {"values": keras.layers.Dense(2)(values), "codes": codes})
    model.compile("sgd", {"values": "mse"}, metrics={"codes": [CodebookUsage(9)]})
    x = rng.standard_normal((64, 2)).astype("float32")
    used = len(np.unique(model.predict(x, verbose=0)["codes"])) / 9
    logs = model.fit(x, {"values": x, "codes": np.zeros(64)}, verbose=0).history
    (reported,) = [v for k, v in logs.items() if "usage" in k]
    np.testing.assert_allclose(reported, [used], rtol=1e-6)


@pytest.mark.parametrize("levels", [(), (1, 3), (8, 0), (2.5,), [2] * 31])
def test_bad_levels_are_named(levels):
    with pytest.raises(ValueError, match="levels"):
        FiniteScalarQuantizer(levels)


def test_the_number_of_features_is_that_of_the_levels():
    with pytest.raises(ValueError, match="as many features"):
        FiniteScalarQuantizer((3, 3))(np.zeros((4, 3)))
