"""The gradients of every temporal layer: how far it looks back, and that they are right."""

import keras
import numpy as np
import pytest

import lamina
from lamina._common import gradient
from tests.support import in_one
from tests.temporal.reference import to_numpy

SOS = [[0.2, 0.3, 0.1, 1.0, -1.2, 0.5], [1.0, -0.5, 0.0, 1.0, 0.4, 0.1]]
# Smooth everywhere: a kink has no slope. Random weights: no product is 0 by chance.
LAYERS = {
    "three points": lambda: lamina.ThreePointDependency(3, "softplus"),
    "consecutive lags": lambda: lamina.LagDense(3, (1, 3, 2)),
    "lags far apart": lambda: lamina.LagDense(3, (0, 1, 7, 4), "softplus", initial="edge"),
    "one lag": lambda: lamina.LagDense(3, (5,)),
    "gated": lambda: lamina.GatedLagDense(3, (0, 2, 6)),
    "volterra": lambda: lamina.Volterra(3, 4, quadratic_initializer="normal"),
    "volterra rank": lambda: lamina.Volterra(3, 4, rank=2),
    "volterra linear": lambda: lamina.Volterra(3, 5, order=1),
    "fir": lambda: lamina.FIRFilter([0.0, 1.0, 0.5, -0.25, 0.0, 0.0]),
    "fir trainable": lambda: lamina.FIRFilter([[1, 2], [0.5, 1], [2, 1.0]], trainable=True),
    "biquad": lambda: lamina.Biquad(SOS),
    "biquad trainable": lambda: lamina.Biquad(SOS, trainable=True),
    "delay": lambda: lamina.Delay(4),
    "block": lambda: lamina.TemporalBlock(3, 2, (1, 3, 2), activation="softplus"),
    "snake": lambda: lamina.Snake(0.7),
    "spline": lambda: lamina.Spline(9, -4.0, 4.0),
}
BY_NAME = pytest.mark.parametrize("name", LAYERS)
# Keras computes tanh and sin in float32 on JAX, also of float64.
NARROW = {"gated", "snake"} if keras.backend.backend() == "jax" else set()
TIME = 16


def test_every_temporal_layer_is_here():
    here = {type(make()) for make in LAYERS.values()}
    families = (lamina.temporal, lamina.activations)
    public = {getattr(family, name) for family in families for name in family.__all__}
    assert {kind for kind in public if isinstance(kind, type) and hasattr(kind, "call")} <= here


def built(name, rng):
    layer = LAYERS[name]()
    layer = type(layer).from_config({**layer.get_config(), "dtype": "float64"})
    layer.build((None, None, 2))
    layer.set_weights([w + 0.3 * rng.standard_normal(w.shape) for w in layer.get_weights()])
    return layer


def jacobian(layer, rng):
    """|d y[t] / d x[s]|, summed over features and units: `(TIME, TIME)`.

    Row t of a batch of equal rows is asked for its output at t alone: one gradient has them all.
    """
    x = np.repeat(rng.standard_normal((1, TIME, 2)), TIME, axis=0)
    units = layer.compute_output_shape(x.shape)[-1]
    chosen = np.eye(TIME)[:, :, None] * rng.standard_normal(units)
    chosen = keras.ops.convert_to_tensor(chosen)

    def outputs(x):
        return keras.ops.sum(layer(x) * chosen), None

    found = in_one(lambda x: gradient(outputs, x)[0])(x)
    return np.abs(to_numpy(found)).sum(-1)


@BY_NAME
def test_receptive_field_is_that_of_the_jacobian_and_the_future_is_not_read(name, rng):
    layer = built(name, rng)
    found = jacobian(layer, rng)
    if name == "lags far apart":
        found[:, 0] = 0  # the first sample is also what came before it
    age = np.arange(TIME)[:, None] - np.arange(TIME)
    assert not found[age < 0].any(), "reads the future"
    assert not found[age >= layer.receptive_field].any(), "looks back farther than it says"
    oldest = min(layer.receptive_field, TIME - 1) - 1
    reached = found[age == oldest] != 0
    assert reached[1:].all(), "does not look back as far as it says"


@BY_NAME
def test_gradients_of_inputs_and_weights_are_those_of_finite_differences(name, rng):
    layer = built(name, rng)
    x = rng.standard_normal((2, TIME, 2))
    trained, fixed = layer.trainable_variables, layer.non_trainable_variables
    assert not fixed
    weigh = rng.standard_normal(layer.compute_output_shape(x.shape))
    weigh = keras.ops.convert_to_tensor(weigh)

    def loss(given):
        weights, x = given
        y, _ = layer.stateless_call(weights, [], x)
        return keras.ops.sum(y * weigh), None

    value = in_one(lambda given: loss(given)[0])
    at = [[to_numpy(w).astype("float64") for w in trained], x]
    slopes = keras.tree.map_structure(to_numpy, in_one(lambda at: gradient(loss, at)[0])(at))
    step, tolerance = (1e-2, 1e-3) if name in NARROW else (1e-6, 1e-7)
    for _ in range(3):
        way = keras.tree.map_structure(lambda v: rng.standard_normal(v.shape), at)
        up, down = (
            keras.tree.map_structure(lambda v, w, s=s: v + s * step * w, at, way) for s in (1, -1)
        )
        tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, [up, down])
        high, low = (float(to_numpy(value(given))) for given in tensors)
        along = sum(np.sum(s * w) for s, w in zip(flat(slopes), flat(way), strict=True))
        size = sum(np.abs(s * w).sum() for s, w in zip(flat(slopes), flat(way), strict=True))
        assert abs((high - low) / (2 * step) - along) < tolerance * size


def flat(nested):
    return keras.tree.flatten(nested)
