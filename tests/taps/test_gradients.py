"""Gradients and the scopes around them, against finite differences and closed forms."""

import keras
import numpy as np
import pytest
from keras import ops

from lamina import Tap, capture, frozen, input_gradient, isolated, tap_gradients
from tests.support import to_numpy_tree


@pytest.fixture
def float64():
    if keras.backend.backend() == "jax":
        import jax

        if not jax.config.jax_enable_x64:
            pytest.skip("needs JAX_ENABLE_X64=1")
    keras.config.set_dtype_policy("float64")


def bend(x):
    """A smooth activation in float64 on every backend: on JAX, Keras' tanh makes float32 of it."""
    return x / (1 + x * x)


class Affine(keras.layers.Layer):
    """`Dense` in float64 on every backend: on PyTorch, Keras' own matmul makes float32 of it."""

    def __init__(self, units, activation=lambda x: x, **kwargs):
        super().__init__(**kwargs)
        self.units, self.activation = units, activation

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units))
        self.bias = self.add_weight(shape=(self.units,))

    def call(self, x):
        return self.activation(x @ self.kernel.value + self.bias.value)


def small():
    model = keras.Sequential(
        [
            keras.Input((3,), dtype=keras.config.dtype_policy().compute_dtype),
            Affine(4, bend, name="a"),
            Affine(4, bend, name="b"),
            Affine(2, name="c"),
        ]
    )
    return model


def differences(fn, x, h=1e-6):
    """Central differences of a scalar function at every entry of `x`."""
    slope = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        slope[i] = (fn(up) - fn(down)) / (2 * h)
    return slope


def number(x):
    return float(ops.convert_to_numpy(x))


def test_tap_gradients_are_finite_differences(float64, rng):
    model, x = small(), rng.standard_normal((2, 3))
    values, gradients = tap_gradients(model, ["a", "b"], x, lambda y: y[:, 0] ** 2)
    for key in ("a", "b"):
        value = ops.convert_to_numpy(values[key])

        def score(v, key=key):
            replacement = ops.convert_to_tensor(v, "float64")
            with capture(model, (), modify={key: lambda _: replacement}):
                return number(ops.sum(model(x)[:, 0] ** 2))

        np.testing.assert_allclose(
            ops.convert_to_numpy(gradients[key]), differences(score, value), rtol=1e-7, atol=1e-9
        )


def test_tap_gradients_at_every_call(float64, rng):
    dense = Affine(3, bend, name="d")
    inputs = keras.Input((3,), dtype="float64")
    model = keras.Model(inputs, dense(dense(inputs)))
    x = rng.standard_normal((2, 3))
    _, gradients = tap_gradients(model, {"d": Tap("d", call="all")}, x, lambda y: y)
    np.testing.assert_array_equal(ops.convert_to_numpy(gradients["d"][1]), np.ones((2, 3)))
    once = ops.convert_to_numpy(dense(x))
    slope = differences(lambda v: number(ops.sum(dense(v))), once)
    np.testing.assert_allclose(ops.convert_to_numpy(gradients["d"][0]), slope, rtol=1e-7, atol=1e-9)


def test_input_gradient_is_finite_differences_twice(float64, rng):
    model, x = small(), rng.standard_normal((2, 3))
    slope = ops.convert_to_numpy(input_gradient(model, x))
    np.testing.assert_allclose(
        slope, differences(lambda v: number(ops.sum(model(v))), x), rtol=1e-7, atol=1e-9
    )

    def penalty(v):
        return ops.sum(ops.square(input_gradient(model, v)))

    second = ops.convert_to_numpy(input_gradient(penalty, x))
    np.testing.assert_allclose(
        second, differences(lambda v: number(penalty(v)), x), rtol=1e-6, atol=1e-8
    )


def test_input_gradient_of_nested_and_unused_inputs():
    x = {"a": np.array([2.0, 3.0], "float32"), "b": np.ones(3, "float32")}
    slope = to_numpy_tree(input_gradient(lambda v: v["a"] ** 2, x))
    np.testing.assert_allclose(slope["a"], [4, 6])
    np.testing.assert_array_equal(slope["b"], np.zeros(3))


def test_integers_have_no_gradient():
    with pytest.raises(ValueError, match="cast first"):
        input_gradient(lambda v: v, np.array([1, 2]))


def norm_and_drop():
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(3),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5, seed=1),
        ]
    )
    return model, np.random.default_rng(0).standard_normal((8, 3)).astype("float32")


def state(model):
    return to_numpy_tree([v.numpy() for v in model.non_trainable_variables])


@pytest.mark.parametrize("scope", [frozen, isolated, lambda _: isolated()])
def test_no_trace_is_left(scope):
    model, x = norm_and_drop()
    before = state(model)
    with scope(model):
        model(x, training=True)
    input_gradient(lambda v: model(v, training=True), x)
    tap_gradients(model, model.layers[0].name, x, lambda y: y, training=True)
    for old, new in zip(before, state(model), strict=True):
        np.testing.assert_array_equal(old, new)
    model(x, training=True)
    assert any((old != new).any() for old, new in zip(before, state(model), strict=True))


@pytest.mark.parametrize("scope", [frozen, isolated])
def test_updates_of_other_layers_are_kept(scope):
    held, _ = norm_and_drop()
    free, x = norm_and_drop()
    before = state(free)
    with scope(held):
        free(held(x, training=True), training=True)
    assert any((old != new).any() for old, new in zip(before, state(free), strict=True))


class Pair(keras.Model):
    """Two networks in a row, the second held by a scope."""

    def __init__(self, scope):
        super().__init__()
        self.first, self.second = keras.layers.Dense(3), keras.layers.Dense(3)
        self.scope = scope

    def build(self, input_shape):
        self.first.build(input_shape)
        self.second.build(input_shape)

    def call(self, x):
        hidden = self.first(x)
        with self.scope(self.second):
            return self.second(hidden)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")  # that none exists is the point
@pytest.mark.parametrize(("scope", "moves"), [(frozen, False), (isolated, True)])
def test_frozen_weights_do_not_train_and_isolated_do(scope, moves):
    x = np.random.default_rng(0).standard_normal((8, 3)).astype("float32")
    model = Pair(scope)
    model.build((None, 3))
    model.compile("sgd", "mse", jit_compile=False)
    first, second = model.first.get_weights()[0], model.second.get_weights()[0]
    model.fit(x, x, verbose=0)
    assert (model.first.get_weights()[0] != first).any()
    assert (model.second.get_weights()[0] != second).any() == moves


def test_a_layer_without_weights_yet_is_refused():
    with pytest.raises(ValueError, match="`frozen` needs built layers"):
        frozen(keras.layers.Dense(2))
