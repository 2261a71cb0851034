"""GatedLagDense, Volterra and TemporalBlock: what the registry does not ask."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina import (
    Biquad,
    Delay,
    GatedLagDense,
    LagDense,
    TemporalBlock,
    ThreePointDependency,
    Volterra,
)
from tests.support import all_close
from tests.temporal.reference import alone, segments, slow, stream, to_numpy, whole

RNG = np.random.default_rng(0)
LAYERS = {
    "gated": lambda **how: GatedLagDense(3, (0, 2, 5), bias_initializer="normal", **how),
    "volterra": lambda **how: Volterra(3, 4, quadratic_initializer="normal", **how),
    "volterra rank": lambda **how: Volterra(3, 4, rank=2, activation="tanh", **how),
    "volterra linear": lambda **how: Volterra(3, 4, order=1, **how),
    "block": lambda **how: TemporalBlock(4, 2, (1, 3), **how),
}


def built(name, **how):
    layer = LAYERS[name](**how)
    layer.build((None, None, 2))
    return layer


def check_split(name, initial, split, masked, resets, seed=0):
    """Each piece of a row between resets is what the layer gives for it alone."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, sum(split), 2))
    mask = rng.random(x.shape[:2]) < 0.8 if masked and name != "block" else None
    reset = rng.random(x.shape[:2]) < 0.2 if resets else None
    layer = built(name, initial=initial, dtype="float64")
    want = segments(alone(layer, sum(split) + 1), x, mask, reset, initial)
    all_close(whole(layer, x, mask, reset), want, 1e-12)
    all_close(stream(layer, x, split, mask, reset), want, 1e-12)
    assert want.shape[:2] == x.shape[:2]


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(
    ("initial", "split", "masked", "resets"),
    [("zeros", [5, 0, 1], False, False), ("edge", [1, 8], True, True)],
)
def test_a_split_with_masks_and_resets(name, initial, split, masked, resets):
    check_split(name, initial, split, masked, resets)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
@given(
    initial=st.sampled_from(["zeros", "edge"]),
    split=st.lists(st.integers(0, 9), min_size=1, max_size=3),
    masked=st.booleans(),
    resets=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_split_with_masks_and_resets(name, **case):
    check_split(name, **case)


@pytest.mark.parametrize("name", LAYERS)
def test_nan_spreads_only_as_far_as_the_receptive_field(name):
    layer = built(name)
    x = RNG.standard_normal((2, 40, 2), "float32")
    x[0, 20, 1] = np.nan
    bad = np.isnan(to_numpy(layer(x))).any(-1)
    assert bad[0, 20] and not bad[1].any()
    assert not bad[0, :20].any() and not bad[0, 20 + layer.receptive_field :].any()


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("shape", [(2, 0), (0, 4), slow((1, 1))])
def test_empty_batches_and_times(name, shape):
    assert built(name)(np.zeros((*shape, 2), "float32")).shape[:2] == shape


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", LAYERS)
def test_unknown_batch_and_time_in_a_graph(name):
    import tensorflow as tf

    layer = built(name)
    graph = tf.function(layer, input_signature=[tf.TensorSpec((None, None, 2))])
    for shape in [(2, 0), (0, 4), (2, 30)]:
        x = RNG.standard_normal((*shape, 2), "float32")
        all_close(graph(x), to_numpy(layer(x)), 1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", slow("mixed_bfloat16"), slow("float16")])
@pytest.mark.parametrize("name", LAYERS)
def test_step_follows_the_dtype_policy(name, policy):
    layer = built(name, dtype=policy)
    x = keras.ops.cast(RNG.standard_normal((1, 6, 2)), layer.compute_dtype)
    y, state = layer.step(x, layer.initial_state(1))
    assert {keras.backend.standardize_dtype(v.dtype) for v in [y, *state.values()]} == {
        layer.compute_dtype
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(units=0, memory=3), "`units` must be"),
        (dict(units=2, memory=0), "`memory` must be"),
        (dict(units=2, memory=3, order=3), "`order` must be"),
        (dict(units=2, memory=3, rank=0), "`rank` must be"),
    ],
)
def test_bad_arguments_of_volterra_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Volterra(**arguments)


@pytest.mark.parametrize("dilations", [(), 4, (1, 0), (1, 2.5)])
def test_bad_dilations_are_refused(dilations):
    with pytest.raises(ValueError, match="`dilations` must be"):
        TemporalBlock(4, 3, dilations)


def test_dilations_are_used_as_given():
    block = TemporalBlock(4, size=3, dilations=(3, 5, 6))
    assert [layer.lags for layer in block.layers] == [(6, 3, 0), (10, 5, 0), (12, 6, 0)]
    assert block.receptive_field == 1 + 2 * 14


@pytest.mark.filterwarnings("ignore:Layer InputLayer does not have a `quantize`:UserWarning")
@pytest.mark.parametrize(
    "make",
    [
        lambda: ThreePointDependency(16),
        lambda: LagDense(16, (0, 1, 7)),
        lambda: GatedLagDense(16, (0, 2)),
        lambda: TemporalBlock(8, 2, (1, 2)),
    ],
)
def test_quantize_int8_keeps_the_outputs_and_saves(make, tmp_path):
    model = keras.Sequential([keras.Input((None, 8)), make()])
    x = RNG.standard_normal((4, 30, 8), "float32")
    before = to_numpy(model(x))
    model.quantize("int8")
    after = to_numpy(model(x))
    assert np.abs(after - before).max() < 0.02 * np.abs(before).max()
    kernels = [w for w in model.weights if w.name == "kernel"]
    assert kernels and all(w.dtype == "int8" for w in kernels)
    model.save(tmp_path / "small.keras")
    again = keras.saving.load_model(tmp_path / "small.keras")
    np.testing.assert_array_equal(to_numpy(again(x)), after)
    layer = again.layers[-1]
    all_close(stream(layer, x, [7, 0, 1, 22]), after, 1e-6)


REFUSING = {
    **LAYERS,
    "lags": lambda: LagDense(3, (0, 2)),
    "delay": lambda: Delay(2, initial="edge"),
    "biquad": lambda: Biquad([[1, 0, 0, 1, -0.5, 0]]),
}


@pytest.mark.parametrize("marks", ["mask", "reset"])
@pytest.mark.parametrize("name", REFUSING)
def test_marks_of_another_length_are_refused(name, marks):
    with pytest.raises(ValueError, match=rf"`{marks}` must have the shape \(batch, time\)"):
        REFUSING[name]()(np.zeros((2, 5, 4), "float32"), **{marks: np.ones((2, 4), "bool")})
