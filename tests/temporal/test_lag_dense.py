"""LagDense and ThreePointDependency: what the registry does not ask."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina import GatedLagDense, LagDense, ThreePointDependency
from tests.support import all_close
from tests.temporal.reference import slow, stream, to_numpy, whole, windows

RNG = np.random.default_rng(0)


def built(layer, features=2):
    layer.build((None, None, features))
    return layer


def expected(layer, x, **how):
    """The equation, on windows gathered one by one."""
    taps = windows(x, layer.lags, **how)
    y = np.einsum("btlf,lfu->btu", taps, to_numpy(layer.kernel)) + to_numpy(layer.bias)
    y = to_numpy(layer.activation(keras.ops.convert_to_tensor(y)))
    return np.where(how["mask"][..., None], y, 0) if how.get("mask") is not None else y


LAGS = st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True)
CASES = dict(
    lags=LAGS,
    initial=st.sampled_from(["zeros", "edge"]),
    split=st.lists(st.integers(0, 6), min_size=1, max_size=5),
    masked=st.booleans(),
    resets=st.booleans(),
    seed=st.integers(0, 99),
)


def check_split(lags, initial, split, masked, resets, seed=0):
    """A whole sequence, and the same pushed in blocks, is what the equation says."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((3, sum(split), 2), "float32")
    mask = rng.random(x.shape[:2]) < 0.7 if masked else None
    reset = rng.random(x.shape[:2]) < 0.3 if resets else None
    layer = built(LagDense(3, lags, initial=initial, bias_initializer="normal"))
    want = expected(layer, x, mask=mask, reset=reset, initial=initial)
    all_close(whole(layer, x, mask, reset), want, 1e-6)
    all_close(stream(layer, x, split, mask, reset), want, 1e-6)
    assert want.shape == (*x.shape[:2], 3)


@pytest.mark.parametrize("lags", [(0, 9, 4), (2, 1, 0), (1, 3, 2), (7,)])
@pytest.mark.parametrize(("initial", "split"), [("zeros", [6, 0, 1]), ("edge", [1, 3, 0, 6])])
@pytest.mark.parametrize(("masked", "resets"), [(False, False), (True, False), (True, True)])
def test_a_split_with_masks_and_resets_gives_the_equation(lags, initial, split, masked, resets):
    check_split(lags, initial, split, masked, resets)


@pytest.mark.parametrize("initial", ["zeros", "edge"])
@pytest.mark.parametrize("split", [[0], [0, 1]])
def test_an_empty_block_without_memory_takes_resets(initial, split):
    check_split([0], initial, split, False, True)


@pytest.mark.slow
@given(**CASES)
def test_any_split_with_masks_and_resets_gives_the_equation(**case):
    check_split(**case)


@pytest.mark.parametrize("lags", [(2, 1, 0), (3, 2, 1), (1, 3, 2), (1,), (0, 5)])
@pytest.mark.parametrize("kind", [LagDense, GatedLagDense])
def test_single_steps_give_the_whole(kind, lags):
    layer = built(kind(3, lags, bias_initializer="normal", dtype="float64"))
    x = RNG.standard_normal((2, 6, 2))
    all_close(stream(layer, x, [1] * 6), to_numpy(layer(x)), 1e-12)


@pytest.mark.parametrize("layer", [LagDense(3, (0, 5)), ThreePointDependency(3)])
@pytest.mark.parametrize("shape", [(2, 0), (0, 4), (0, 0), (1, 1)])
def test_empty_batches_and_times(layer, shape):
    assert layer(np.zeros((*shape, 2), "float32")).shape == (*shape, 3)


@pytest.mark.tensorflow
@pytest.mark.parametrize("lags", [(2, 1, 0), (0, 5)])
@pytest.mark.parametrize("initial", [slow("zeros"), "edge"])
def test_unknown_batch_and_time_may_be_empty_in_a_graph(lags, initial):
    import tensorflow as tf

    layer = built(LagDense(3, lags, initial=initial))
    graph = tf.function(layer, input_signature=[tf.TensorSpec((None, None, 2))])
    marked = tf.function(
        lambda x, mask, reset: layer(x, mask=mask, reset=reset),
        input_signature=[
            tf.TensorSpec((None, None, 2)),
            *[tf.TensorSpec((None, None), tf.bool)] * 2,
        ],
    )
    for shape in [(2, 0), (0, 4), (0, 0), (2, 9)]:
        x = RNG.standard_normal((*shape, 2), "float32")
        mask, reset = RNG.random((2, *shape)) < 0.5
        all_close(graph(x), to_numpy(layer(x)), 1e-6)
        want = expected(layer, x, mask=mask, reset=reset, initial=initial)
        all_close(marked(x, mask, reset), want, 1e-6)


def test_three_point_dependency_is_keras_causal_conv1d():
    conv = keras.layers.Conv1D(5, 3, padding="causal", activation="relu")
    ours = ThreePointDependency(5)
    for batch, time in [(1, 1), (2, 2), (3, 50)]:
        x = RNG.standard_normal((batch, time, 4), "float32")
        ours(x), conv(x)
        ours.set_weights(conv.get_weights())
        all_close(to_numpy(ours(x)), to_numpy(conv(x)), 1e-6)


@pytest.mark.parametrize("dilation", [1, 3])
@pytest.mark.parametrize("use_bias", [True, False])
def test_from_conv1d_takes_a_layer_over(dilation, use_bias):
    conv = keras.layers.Conv1D(
        4,
        3,
        padding="causal",
        dilation_rate=dilation,
        use_bias=use_bias,
        activation="tanh",
        kernel_regularizer="l2",
        name="heart",
    )
    x = RNG.standard_normal((2, 20, 3), "float32")
    want = conv(x)
    ours = LagDense.from_conv1d(conv)
    all_close(to_numpy(ours(x)), to_numpy(want), 1e-6)
    assert ours.lags == (2 * dilation, dilation, 0)
    assert ours.name == "heart" and ours.kernel_regularizer is not None


def test_from_conv1d_of_a_layer_not_built_yet():
    ours = ThreePointDependency.from_conv1d(keras.layers.Conv1D(4, 3, padding="causal"))
    assert not ours.built and ours.activation is keras.activations.linear
    assert ours(np.zeros((1, 5, 2), "float32")).shape == (1, 5, 4)


@pytest.mark.parametrize(
    "arguments",
    [dict(padding="same"), dict(padding="causal", strides=2), dict(padding="causal", groups=2)],
)
def test_from_conv1d_refuses_what_lags_cannot_express(arguments):
    with pytest.raises(ValueError, match="Received: "):
        LagDense.from_conv1d(keras.layers.Conv1D(4, 3, **arguments))
    with pytest.raises(ValueError, match=r"keras\.layers\.Conv1D"):
        LagDense.from_conv1d(keras.layers.Dense(4))


def test_from_conv1d_refuses_other_lags_for_three_points():
    with pytest.raises(ValueError, match=r"LagDense\.from_conv1d"):
        ThreePointDependency.from_conv1d(keras.layers.Conv1D(4, 5, padding="causal"))


@pytest.mark.parametrize(
    "policy",
    [*map(slow, ["float16", "bfloat16", "float32", "mixed_bfloat16"]), "float64", "mixed_float16"],
)
@pytest.mark.parametrize("lags", [(2, 1, 0), (0, 5)])
def test_every_dtype_policy(policy, lags):
    layer = built(LagDense(3, lags, dtype=policy))
    x = RNG.standard_normal((2, 9, 2))
    y = layer(x)
    assert keras.backend.standardize_dtype(y.dtype) == layer.compute_dtype
    tolerance = {"float64": 1e-12, "float32": 1e-6}.get(layer.compute_dtype, 2e-2)
    kernel = to_numpy(keras.ops.cast(layer.kernel, "float64"))
    want = np.einsum("btlf,lfu->btu", windows(x, lags), kernel)
    all_close(to_numpy(keras.ops.cast(y, "float64")), want, tolerance)


@pytest.mark.parametrize("jit", [slow(False), True])
def test_fit_learns_the_lags(jit):
    x = RNG.standard_normal((64, 20, 1), "float32")
    y = np.maximum(windows(x, (2, 1, 0)).sum(2), 0)
    model = keras.Sequential(
        [keras.Input((None, 1)), ThreePointDependency(8), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(0.03), "mse", jit_compile=jit)
    losses = model.fit(x, y, epochs=40, verbose=0).history["loss"]
    assert losses[-1] < 0.1 * losses[0]


def test_nan_reaches_only_its_receptive_field_and_not_through_a_mask():
    layer = built(LagDense(3, (0, 2)))
    x = RNG.standard_normal((2, 9, 2)).astype("float32")
    x[0, 3, 1] = np.nan
    bad = np.isnan(to_numpy(layer(x))).any(-1)
    assert sorted(zip(*np.nonzero(bad), strict=True)) == [(0, 3), (0, 5)]
    mask = np.ones((2, 9), bool)
    mask[0, 3] = False
    assert np.isfinite(to_numpy(layer(x, mask=mask))).all()


def test_mask_passes_on_and_reset_keeps_it():
    x = np.ones((2, 5, 1), "float32")
    x[0, :2] = 0
    masked = keras.layers.Masking()(x)
    layer = LagDense(1, (0, 1), kernel_initializer="ones", initial="edge")
    reset = np.zeros((2, 5), bool)
    for y in (layer(masked), layer(masked, reset=reset)):
        np.testing.assert_array_equal(to_numpy(y)[..., 0], [[0, 0, 2, 2, 2], [2, 2, 2, 2, 2]])
        np.testing.assert_array_equal(to_numpy(y._keras_mask), x[..., 0] != 0)


@pytest.mark.parametrize("initial", ["zeros", "edge"])
def test_left_padded_row_with_its_mask_equals_the_unpadded_row(initial):
    layer = built(LagDense(3, (0, 1, 7), initial=initial))
    row = RNG.standard_normal((1, 12, 2)).astype("float32")
    padded = np.concatenate([np.full((1, 4, 2), np.nan, "float32"), row], axis=1)
    mask = np.arange(16)[None] >= 4
    all_close(to_numpy(layer(padded, mask=mask))[:, 4:], to_numpy(layer(row)), 1e-6)


def test_reset_and_mask_are_inputs_of_a_functional_model(tmp_path):
    inputs = keras.Input((None, 2)), keras.Input((None,), dtype="bool")
    model = keras.Model(inputs, LagDense(3, (0, 4))(inputs[0], reset=inputs[1]))
    x, reset = RNG.standard_normal((2, 7, 2), "float32"), RNG.random((2, 7)) < 0.4
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(again([x, reset])), to_numpy(model([x, reset])))
    all_close(to_numpy(again([x, reset])), expected(model.layers[-1], x, reset=reset), 1e-6)


def test_integers_are_numbers():
    layer = LagDense(1, (0, 1), kernel_initializer="ones")
    y = layer(np.array([[[1], [2], [3]]]))
    np.testing.assert_array_equal(to_numpy(y)[0, :, 0], [1, 3, 5])


@pytest.mark.parametrize("lags", [(), (0, 0), (-1, 0), (0.5,), (True,), 3, "12"])
def test_bad_lags_are_refused(lags):
    with pytest.raises(ValueError, match="`lags` must be distinct"):
        LagDense(2, lags)


@pytest.mark.parametrize("units", [0, -1, 2.5, "3", True, None])
def test_bad_units_are_refused(units):
    with pytest.raises(ValueError, match="`units` must be"):
        ThreePointDependency(units)


def test_bad_initial_is_refused():
    with pytest.raises(ValueError, match="`initial` must be"):
        LagDense(2, (0, 1), initial="reflect")


@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 3, 1), (2, 5, 0)])
def test_bad_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="Received: input_shape="):
        LagDense(2, (0, 1))(np.zeros(shape, "float32"))


def test_another_number_of_features_is_refused():
    with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 2"):
        built(LagDense(2, (0, 1)))(np.zeros((2, 5, 3), "float32"))


def test_complex_samples_are_refused():
    with pytest.raises(ValueError, match="real and imaginary parts as two features"):
        LagDense(2, (0, 1))(np.zeros((2, 5, 1), "complex64"))
