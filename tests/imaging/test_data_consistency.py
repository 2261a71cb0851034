"""The step that keeps an image consistent with what was measured."""

import keras
import numpy as np
import pytest
from keras import ops

import lamina
from lamina._common import gradient
from tests.imaging.support import directional, inner, norm, numpy64, tensors

MASK = (np.arange(6) % 2 == 0) * np.ones((5, 1))


@pytest.fixture
def inputs(rng):
    shapes = ((2, 5, 6, 2), (2, 3, 5, 6, 2), (2, 3, 5, 6, 2))
    return tensors([rng.standard_normal(shape) for shape in shapes], "float64")


def layer(dtype="float64", **kwargs):
    operator = lamina.CoilSense(MASK, dtype=dtype)
    return lamina.DataConsistency(operator, 100, weight=0.3, dtype=dtype, **kwargs)


def test_the_result_solves_the_normal_equation(inputs):
    solve = layer()
    x = solve(inputs)
    z, y, coils = inputs
    back = solve.operator.adjoint([solve.operator([x, coils]) - y, coils])
    assert norm(back + 0.3 * (x - z)) < 1e-12 * norm(x)


@pytest.mark.parametrize("index", [0, 1, 2], ids=["estimate", "measured", "coils"])
def test_gradients_are_those_of_the_solution(index, inputs, rng):
    solve = layer()
    solve(inputs)
    weights = ops.convert_to_tensor(rng.standard_normal((2, 5, 6, 2)), "float64")
    ours, differences = directional(lambda x: ops.sum(solve(x) * weights), inputs, index, rng)
    assert abs(ours - differences) < 1e-6 * abs(differences)


def test_second_derivatives_are_right(inputs, rng):
    solve = layer()
    solve(inputs)

    def slope(x):
        inside, _ = gradient(lambda z: (ops.sum(ops.square(solve(z))), None), list(x))
        return ops.sum(ops.square(inside[2])) + ops.sum(ops.square(inside[0]))

    for index in (0, 2):
        ours, differences = directional(slope, inputs, index, rng)
        assert abs(ours - differences) < 1e-5 * abs(differences)


def test_the_weight_trains(inputs):
    solve = layer("float32")
    model = keras.Sequential([solve])
    given = [keras.Input(x.shape[1:]) for x in inputs]
    model = keras.Model(given, solve(given))
    model.compile(keras.optimizers.SGD(1e-2), "mse")
    before = float(numpy64(solve.weight))
    arrays = [numpy64(x).astype("float32") for x in inputs]
    model.fit(arrays, arrays[0], epochs=2, verbose=0)
    assert float(numpy64(solve.weight)) > before  # the target is the estimate itself


def test_each_row_is_solved_by_itself(inputs):
    solve = layer()
    together = numpy64(solve(inputs))
    alone = numpy64(solve([x[1:] for x in inputs]))
    assert np.abs(together[1:] - alone).max() < 1e-12


def test_a_row_that_is_solved_at_once_stays(inputs):
    z, y, coils = inputs
    solve = layer()
    x = solve([0 * z, 0 * y, coils])
    assert np.array_equal(numpy64(x), np.zeros(x.shape))


def test_a_tomograph_is_consistent_too(rng):
    """With the Radon transform, beside NumPy's dense solve."""
    radon = lamina.Radon(np.linspace(0, np.pi, 7, endpoint=False), 11, dtype="float64")
    z = tensors(rng.standard_normal((1, 6, 6, 1)), "float64")
    units = tensors(np.eye(36).reshape(36, 6, 6, 1), "float64")
    matrix = numpy64(radon(units)).reshape(36, -1).T
    y = tensors(rng.standard_normal((1, 7, 11, 1)), "float64")
    x = lamina.DataConsistency(radon, 200, weight=0.1, dtype="float64")([z, y])
    normal = matrix.T @ matrix + 0.1 * np.eye(36)
    expected = np.linalg.solve(normal, matrix.T @ numpy64(y).ravel() + 0.1 * numpy64(z).ravel())
    assert np.abs(numpy64(x).ravel() - expected).max() < 1e-12 * np.abs(expected).max() * 10


@pytest.mark.slow
@pytest.mark.parametrize("name", ["radon", "nufft"])
def test_gradients_go_through_any_operator(name, rng):
    """To the estimate, the measurement and the weight; and those of the gradient."""
    if name == "radon":
        operator, shape = lamina.Radon([0.2, 1.0, 2.0], 8, dtype="float64"), (1, 5, 5, 1)
    else:
        points = rng.uniform(-0.5, 0.5, (40, 2))
        operator, shape = lamina.NUFFT(points, 8, dtype="float64"), (1, 5, 4, 2)
    operator.build(shape)
    z = tensors(rng.standard_normal(shape), "float64")
    y = tensors(rng.standard_normal(operator.compute_output_shape(shape)), "float64")
    solve = lamina.DataConsistency(operator, 100, weight=0.4, dtype="float64")

    def loss(x):
        return ops.sum(ops.square(solve(x)))

    def slope(x):
        inside, _ = gradient(lambda v: (loss(v), None), list(x))
        return sum(ops.sum(ops.square(g)) for g in inside)

    solve([z, y])
    for function in (loss, slope):
        for index in (0, 1):
            ours, differences = directional(function, [z, y], index, rng)
            assert abs(ours - differences) < 1e-5 * abs(differences)
    given = [keras.Input(x.shape[1:]) for x in (z, y)]
    model = keras.Model(given, solve(given))
    model.compile(keras.optimizers.SGD(1e-2), "mse")
    before = float(numpy64(solve.weight))
    model.fit([numpy64(z), numpy64(y)], numpy64(z), verbose=0)
    assert float(numpy64(solve.weight)) > before  # the target is the estimate itself


def test_an_operator_without_an_adjoint_is_refused():
    with pytest.raises(ValueError, match="must be a layer with an `adjoint`"):
        lamina.DataConsistency(keras.layers.Dense(3))


def test_a_weight_below_zero_is_refused():
    with pytest.raises(ValueError, match=r"`weight` must be .* at least 0"):
        lamina.DataConsistency(lamina.Fourier2D(), weight=-1.0)


def test_one_input_is_refused(rng):
    with pytest.raises(ValueError, match="must be a list"):
        lamina.DataConsistency(lamina.Fourier2D())(np.ones((1, 4, 4, 2)))


def test_a_model_is_saved_with_its_operator(tmp_path, inputs):
    solve = layer("float32")
    given = [keras.Input(x.shape[1:]) for x in inputs]
    model = keras.Model(given, solve(given))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    arrays = [numpy64(x).astype("float32") for x in inputs]
    assert inner(model(arrays) - again(arrays), model(arrays)) == 0
