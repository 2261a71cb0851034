"""What issue and design promise of the article's three layers, one by one."""

import keras
import numpy as np
import pytest
from keras import ops

import lamina
from tests.support import all_close, to_numpy_tree

TABLE = np.linspace(-1.0, 1.0, 12).reshape(4, 3)


def three_point():
    return lamina.ThreePointDependency(5)


def decoder():
    return lamina.CustomDecoder(TABLE)


def intermediate():
    return lamina.IntermediateOutputLayer(keras.layers.Dense(5))


def floats(batch, time):
    return np.random.default_rng(0).standard_normal((batch, time, 3)).astype("float32")


def codes(batch, time):
    return np.random.default_rng(0).integers(0, len(TABLE), (batch, time)).astype("int32")


LAYERS = pytest.mark.parametrize(
    "make, sample", [(three_point, floats), (decoder, codes), (intermediate, floats)]
)
# How wide each output is, after (batch, time).
WIDTHS = {three_point: [5], decoder: [3], intermediate: [5, 3]}


def outputs(layer, x):
    return [to_numpy_tree(y) for y in keras.tree.flatten(layer(x))]


@LAYERS
@pytest.mark.parametrize("batch, time", [(0, 4), (1, 0), (1, 1), (2, 2), (1, 3), (8, 4), (3, 50)])
def test_every_batch_and_time_length(make, sample, batch, time):
    shapes = [y.shape for y in outputs(make(), sample(batch, time))]
    assert shapes == [(batch, time, width) for width in WIDTHS[make]]


@LAYERS
def test_unknown_batch_and_time(make, sample):
    x = sample(2, 6)
    symbol = keras.Input((None, *x.shape[2:]), dtype=x.dtype.name)
    model = keras.Model(symbol, make()(symbol))
    for batch, time in [(2, 6), (1, 3), (3, 0)]:
        shapes = [y.shape for y in outputs(model, sample(batch, time))]
        assert shapes == [(batch, time, width) for width in WIDTHS[make]]


@LAYERS
@pytest.mark.parametrize("policy", ["float32", "float16", "bfloat16", "mixed_bfloat16", "float64"])
def test_every_dtype_policy(make, sample, policy):
    keras.config.set_dtype_policy(policy)
    layer = make()
    result = keras.tree.flatten(layer(sample(2, 4)))
    wanted = keras.dtype_policies.get(policy).compute_dtype
    if wanted == "float64" and keras.backend.backend() == "jax" and not float64_on_jax():
        pytest.skip("JAX has no float64 without JAX_ENABLE_X64")
    assert keras.backend.standardize_dtype(result[0].dtype) == wanted


def float64_on_jax():
    return keras.backend.standardize_dtype(ops.ones(1, "float64").dtype) == "float64"


@LAYERS
@pytest.mark.parametrize("jit", [False, True])
def test_fits_with_and_without_jit(make, sample, jit):
    x = sample(8, 6)
    symbol = keras.Input((None, *x.shape[2:]), dtype=x.dtype.name)
    features = keras.tree.flatten(make()(symbol))[0]
    model = keras.Model(symbol, keras.layers.Dense(1)(features))
    compiled = jit if keras.backend.backend() != "torch" else False
    model.compile("sgd", "mse", jit_compile=compiled)
    before = [w.numpy() if hasattr(w, "numpy") else w for w in model.get_weights()]
    history = model.fit(x, np.ones((8, 6, 1)), epochs=3, batch_size=4, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
    moved = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert any(moved)


@LAYERS
def test_weights_alone_reload_into_a_fresh_subclassed_model(make, sample, tmp_path):
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = make()

        def build(self, input_shape):
            self.inner.build(input_shape)
            self.built = True

        def call(self, x):
            return self.inner(x)

    x, saved = sample(2, 5), Model()
    expected = outputs(saved, x)
    saved.save_weights(tmp_path / "w.weights.h5")
    fresh = Model()
    fresh.build(x.shape)
    fresh.load_weights(tmp_path / "w.weights.h5")
    for ours, theirs in zip(outputs(fresh, x), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_three_point_dependency_is_keras_causal_convolution(rng):
    for shape in [(1, 1, 1), (2, 7, 3), (3, 200, 16)]:
        x = rng.standard_normal(shape).astype("float32")
        conv = keras.layers.Conv1D(6, 3, padding="causal", activation="relu")
        expected = to_numpy_tree(conv(x))
        ours = lamina.ThreePointDependency(6)
        ours.build(shape)
        ours.set_weights(conv.get_weights())
        all_close(to_numpy_tree(ours(x)), expected, 1e-6)
        all_close(to_numpy_tree(lamina.LagDense.from_conv1d(conv)(x)), expected, 1e-6)


def test_kernel_and_bias_are_named_and_shaped_as_in_the_article():
    layer = three_point()
    layer.build((None, None, 3))
    assert {w.name: tuple(w.shape) for w in layer.weights} == {"kernel": (3, 3, 5), "bias": (5,)}


def test_intermediate_output_keeps_its_inner_weights_once_and_nests():
    layer = lamina.IntermediateOutputLayer(intermediate())
    x = floats(2, 4)
    (deep, middle), same = layer(x)
    assert deep.shape == (2, 4, 5)
    np.testing.assert_array_equal(to_numpy_tree(middle), x)
    np.testing.assert_array_equal(to_numpy_tree(same), x)
    assert len(layer.weights) == 2


def test_intermediate_output_passes_training():
    layer = lamina.IntermediateOutputLayer(keras.layers.Dropout(0.9, seed=0))
    x = np.ones((4, 100), "float32")
    assert np.any(to_numpy_tree(layer(x, training=True)[0]) == 0)
    np.testing.assert_array_equal(to_numpy_tree(layer(x, training=False)[0]), x)
