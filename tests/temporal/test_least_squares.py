"""Layers that are linear in their weights, solved."""

import keras
import numpy as np
import pytest

import lamina
from tests.temporal.reference import to_numpy, windows

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        (lambda: lamina.LagDense(2, (0, 3, 1), dtype="float64"), 10),
        (lambda: lamina.ThreePointDependency(2, activation=None, dtype="float64"), 10),
        (lambda: lamina.Volterra(2, 2, dtype="float64"), 28),
        (lambda: lamina.Volterra(2, 2, order=1, use_bias=False, dtype="float64"), 6),
    ],
)
@pytest.mark.parametrize("initial", ["zeros", "edge"])
def test_finds_the_weights_that_made_the_outputs(make, parameters, initial):
    x = RNG.standard_normal((2, 100, 3))
    truth = make()
    truth = type(truth).from_config({**truth.get_config(), "initial": initial})
    truth.build(x.shape)
    truth.set_weights([RNG.standard_normal(w.shape) for w in truth.weights])
    layer = type(truth).from_config(truth.get_config())
    mask = RNG.random((2, 100)) < 0.9
    fit = lamina.fit_least_squares(layer, x, to_numpy(truth(x, mask=mask)), mask)
    assert fit.r2 == pytest.approx(1) and fit.residual.max() < 1e-10
    assert fit.rank == fit.parameters == parameters and fit.samples == mask.sum()
    for ours, theirs in zip(layer.get_weights(), truth.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-9)


@pytest.mark.parametrize("shape", [(4,), (4, 3)])
def test_finds_the_response_of_a_filter(shape):
    x, response = RNG.standard_normal((2, 60, 3)), RNG.standard_normal(shape)
    y = to_numpy(lamina.FIRFilter(response, dtype="float64")(x))
    layer = lamina.FIRFilter(np.zeros(shape), trainable=True, dtype="float64")
    fit = lamina.fit_least_squares(layer, x, y)
    np.testing.assert_allclose(layer.get_weights()[0], response, atol=1e-9)
    assert fit.r2 == pytest.approx(1) and fit.rank == 4


def test_r2_and_residual_are_those_of_numpy():
    x, y = RNG.standard_normal((1, 200, 1)), RNG.standard_normal((1, 200, 2))
    fit = lamina.fit_least_squares(lamina.LagDense(2, (0, 1)), x, y)
    a = np.concatenate([windows(x, (0, 1))[0, ..., 0], np.ones((200, 1))], axis=1)
    error = y[0] - a @ np.linalg.lstsq(a, y[0])[0]
    np.testing.assert_allclose(fit.residual, np.sqrt((error**2).mean(0)), rtol=1e-6)
    want = 1 - (error**2).sum() / ((y[0] - y[0].mean(0)) ** 2).sum()
    assert fit.r2 == pytest.approx(want, rel=1e-6)
    assert fit.condition == pytest.approx(np.linalg.cond(a), rel=1e-6)


def test_says_when_the_data_do_not_determine_the_weights():
    x = np.ones((1, 50, 1)).cumsum(1)
    fit = lamina.fit_least_squares(
        lamina.LagDense(1, (0, 1, 2), initial="edge"), x[:, :3], x[:, :3]
    )
    assert fit.rank < fit.parameters


@pytest.mark.parametrize(
    "layer",
    [
        lamina.ThreePointDependency(1),
        lamina.GatedLagDense(1, (0, 1)),
        lamina.Volterra(1, 2, rank=1),
        lamina.FIRFilter([1.0]),
        keras.layers.Dense(1),
    ],
)
def test_refuses_layers_that_are_not_linear_in_their_weights(layer):
    with pytest.raises(ValueError, match="`layer` must be linear in its weights"):
        lamina.fit_least_squares(layer, np.ones((1, 9, 1)), np.ones((1, 9, 1)))


def test_refuses_gaps_that_are_not_masked_and_shapes_that_do_not_fit():
    x = np.ones((1, 9, 1))
    with pytest.raises(ValueError, match="mask the gaps"):
        lamina.fit_least_squares(
            lamina.LagDense(1, (0, 1)), np.where(x.cumsum(1) == 4, np.nan, x), x
        )
    with pytest.raises(ValueError, match=r"y\.shape=\(1, 9, 2\)"):
        lamina.fit_least_squares(lamina.LagDense(1, (0, 1)), x, np.ones((1, 9, 2)))
