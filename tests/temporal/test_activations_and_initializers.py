"""Snake, Spline and the kernels that start as something known."""

import keras
import numpy as np
import pytest
import scipy.signal

import lamina
from tests.temporal.reference import to_numpy

X = np.random.default_rng(0).standard_normal((2, 30, 3)).astype("float32")


@pytest.mark.parametrize("layer", [lamina.Snake(2.0), lamina.Spline(7, -1.0, 1.0)])
def test_trains_its_weights_for_each_channel(layer):
    model = keras.Sequential([keras.Input((None, 3)), layer])
    before = layer.get_weights()[0]
    model.compile("sgd", "mse")
    model.fit(X, np.abs(X), verbose=0)
    moved = layer.get_weights()[0] != before
    assert moved.reshape(-1, 3).any(0).all()


def test_snake_whose_alpha_came_to_zero_is_the_identity():
    layer = lamina.Snake()
    layer.build(X.shape)
    layer.set_weights([np.zeros(3)])
    np.testing.assert_array_equal(to_numpy(layer(X)), X)


def test_spline_learns_a_curve():
    x = np.linspace(-3, 3, 512, dtype="float32").reshape(64, 8, 1)
    model = keras.Sequential([keras.Input((None, 1)), lamina.Spline(20)])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    loss = model.fit(x, np.sin(2 * x), epochs=40, verbose=0).history["loss"][-1]
    assert loss < 5e-3


def test_nan_and_infinity_stay_where_they_are():
    x = X.copy()
    x[0, 0, 0], x[0, 1, 1] = np.nan, np.inf
    for layer in (lamina.Snake(), lamina.Spline()):
        finite = np.isfinite(to_numpy(layer(x)))
        np.testing.assert_array_equal(finite, np.isfinite(x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lamina.Snake(0), "`alpha` must be"),
        (lambda: lamina.Snake(float("nan")), "`alpha` must be"),
        (lambda: lamina.Spline(1), "`knots` must be"),
        (lambda: lamina.Spline(4, 1.0, 1.0), "`low` must be below"),
        (lambda: lamina.LowPass(1.0), "`cutoff` must be"),
        (lambda: lamina.Derivative(0), "`order` must be"),
        (lambda: lamina.Derivative(3)((3, 1, 1)), "needs 4 lags"),
        (lambda: lamina.MovingAverage()((3, 1)), r"\(lags, features, units\)"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("initializer", "response"),
    [
        (lamina.Derivative(), [1, -1, 0, 0, 0]),
        (lamina.Derivative(2), [1, -2, 1, 0, 0]),
        (lamina.MovingAverage(), [0.2] * 5),
        (lamina.LowPass(0.3), scipy.signal.firwin(5, 0.3)),
        (lamina.IdentityKernel(0.5), [0.5, 0, 0, 0, 0]),
    ],
)
def test_a_layer_that_starts_from_it_is_that_filter(initializer, response):
    layer = lamina.LagDense(
        6, (4, 3, 2, 1, 0), kernel_initializer=keras.initializers.get(initializer)
    )
    want = scipy.signal.lfilter(response, 1, X, axis=1)[..., [0, 1, 2, 0, 1, 2]]
    np.testing.assert_allclose(to_numpy(layer(X)), want, atol=1e-6)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(initializer))
    np.testing.assert_array_equal(to_numpy(again((5, 2, 4))), to_numpy(initializer((5, 2, 4))))
