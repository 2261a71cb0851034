"""Delay, FIRFilter and Biquad: what the registry does not ask."""

import keras
import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

from lamina import Biquad, Delay, FIRFilter
from tests.support import all_close
from tests.temporal.reference import segments, slow, stream, to_numpy, whole

RNG = np.random.default_rng(0)
# The coefficients of a float64 layer are float64, whatever the backend.
EXACT = dict(dtype="float64")


def sos_of(radius, angle=0.3):
    return np.array([[1.0, -0.5, 0.2, 1.0, -2 * radius * np.cos(angle), radius**2]])


def filtered(layer, x):
    """scipy on rows that start from zeros, or from their first sample for ever."""
    if not len(x):
        return x
    b, a = getattr(layer, "coefficients", None), 1.0
    y = np.empty_like(x)
    for i in range(x.shape[-1]):
        first = x[:1, i] if layer.initial == "edge" else np.zeros(1)
        if isinstance(layer, Biquad):
            zi = scipy.signal.sosfilt_zi(layer.sos) * first
            y[:, i] = scipy.signal.sosfilt(layer.sos, x[:, i], zi=zi)[0]
        else:
            b = np.eye(1, layer.steps + 1, layer.steps)[0] if isinstance(layer, Delay) else b
            padded = np.concatenate([np.repeat(first, len(b)), x[:, i]])
            y[:, i] = scipy.signal.lfilter(b, a, padded)[len(b) :]
    return y


LAYERS = {
    "delay": lambda **how: Delay(4, **how),
    "fir": lambda **how: FIRFilter(scipy.signal.firwin(20, 0.3), **how),
    "fir trainable": lambda **how: FIRFilter([1.0, 0.5, -0.25], trainable=True, **how),
    "biquad": lambda **how: Biquad(scipy.signal.butter(5, 0.2, output="sos"), **how),
    "biquad trainable": lambda **how: Biquad(
        scipy.signal.butter(3, 0.3, output="sos"), trainable=True, **how
    ),
}


def check_split(name, initial, split, masked, resets, seed=0):
    """A whole sequence, and the same pushed in blocks, is scipy's on every piece of it."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, sum(split), 2))
    mask = rng.random(x.shape[:2]) < 0.8 if masked else None
    reset = rng.random(x.shape[:2]) < 0.1 if resets else None
    layer = LAYERS[name](initial=initial, **EXACT)
    layer.build(x.shape)
    want = segments(lambda piece: filtered(layer, piece), x, mask, reset, initial)
    all_close(whole(layer, x, mask, reset), want, 1e-10)
    all_close(stream(layer, x, split, mask, reset), want, 1e-10)
    assert want.shape == x.shape


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(
    ("initial", "split", "masked", "resets"),
    [("zeros", [40, 0, 1], False, False), ("edge", [1, 30], True, True)],
)
def test_a_split_with_masks_and_resets_gives_scipy(name, initial, split, masked, resets):
    check_split(name, initial, split, masked, resets)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
@given(
    initial=st.sampled_from(["zeros", "edge"]),
    split=st.lists(st.integers(0, 40), min_size=1, max_size=3),
    masked=st.booleans(),
    resets=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_split_with_masks_and_resets_gives_scipy(name, **case):
    check_split(name, **case)


@pytest.mark.parametrize("radius", [*map(slow, [0.9, 0.994, 0.9998]), 0.9999])
@pytest.mark.parametrize("trainable", [False, True])
def test_float32_error_of_biquad_up_to_the_stated_pole_radius(radius, trainable):
    x = RNG.standard_normal((1, 20000, 2))
    for angle in (0.01, 0.3):
        sos = sos_of(radius, angle)
        layer = Biquad(sos, trainable=trainable)
        y = to_numpy(layer(x.astype("float32")))
        # Weights in float32 round the poles: it is the filter of its weights.
        want = scipy.signal.sosfilt(to_numpy(layer.coefficients()), x, axis=1)
        error = y - want
        assert np.sqrt(np.mean(error**2)) <= 1e-6 * np.sqrt(np.mean(want**2))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("shape", [(2, 0), (0, 4), slow((1, 1)), slow((1, 64))])
def test_empty_and_block_sized_inputs(name, shape):
    assert LAYERS[name]()(np.zeros((*shape, 3), "float32")).shape == (*shape, 3)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "name", [slow("delay"), "fir", slow("fir trainable"), "biquad", slow("biquad trainable")]
)
@pytest.mark.parametrize("initial", [slow("zeros"), "edge"])
def test_unknown_batch_and_time_in_a_graph(name, initial):
    import tensorflow as tf

    layer = LAYERS[name](initial=initial)
    layer.build((None, None, 2))
    signature = [tf.TensorSpec((None, None, 2)), *[tf.TensorSpec((None, None), tf.bool)] * 2]
    graph = tf.function(layer, input_signature=signature[:1])
    marked = tf.function(
        lambda x, mask, reset: layer(x, mask=mask, reset=reset), input_signature=signature
    )
    for shape in [(2, 0), (0, 4), (2, 100), (1, 1)]:
        x = RNG.standard_normal((*shape, 2), "float32")
        mask, reset = RNG.random((2, *shape)) < 0.3
        all_close(graph(x), to_numpy(layer(x)), 1e-6)
        all_close(marked(x, mask, reset), to_numpy(layer(x, mask=mask, reset=reset)), 1e-6)


@pytest.mark.parametrize(
    "name", [slow("delay"), "fir", slow("fir trainable"), slow("biquad"), "biquad trainable"]
)
def test_fixed_filters_stay_fixed_and_trained_ones_move(name):
    layer = LAYERS[name]()
    x = RNG.standard_normal((8, 30, 2), "float32")
    model = keras.Sequential([keras.Input((None, 2)), layer, keras.layers.Dense(1)])
    model.trainable = True
    assert bool(layer.trainable_variables) == ("trainable" in name)
    before = [to_numpy(v) for v in layer.weights]
    model.compile("sgd", "mse")
    model.fit(x, x[..., :1], verbose=0)
    assert all(np.any(to_numpy(v) != b) for v, b in zip(layer.weights, before, strict=True))


def test_trained_biquad_is_stable_whatever_is_learned():
    layer = Biquad(sos_of(0.5), trainable=True)
    layer.build((None, None, 1))
    for u, v in [(50.0, 50.0), (-50.0, 50.0), (50.0, -50.0), (0.0, 50.0)]:
        layer.poles.assign([[u, v]])
        sos = to_numpy(layer.coefficients()).astype("float64")
        assert np.abs(np.roots(sos[0, 3:])).max() < 1
        assert np.isfinite(to_numpy(layer(np.ones((1, 3000, 1), "float32")))).all()


def test_gradients_of_a_trained_biquad_are_those_of_finite_differences():
    layer = Biquad(scipy.signal.butter(2, 0.2, output="sos"), trainable=True, **EXACT)
    x = RNG.standard_normal((1, 50, 1))
    layer.build(x.shape)
    weights = layer.get_weights()

    def loss(values):
        layer.set_weights(values)
        return float(to_numpy(keras.ops.sum(layer(x) ** 2)))

    model = keras.Sequential([keras.Input((None, 1)), layer])
    model.compile(keras.optimizers.SGD(1e-3), lambda y, p: keras.ops.sum(p**2))
    model.fit(x, x, batch_size=1, verbose=0)
    moved = layer.get_weights()
    for which, values in enumerate(weights):
        for at in np.ndindex(values.shape):
            up = [w.copy() for w in weights]
            down = [w.copy() for w in weights]
            up[which][at] += 1e-5
            down[which][at] -= 1e-5
            slope = (loss(up) - loss(down)) / 2e-5
            assert (values[at] - moved[which][at]) / 1e-3 == pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize("name", LAYERS)
def test_nan_never_reaches_the_past_nor_other_features_nor_past_its_receptive_field(name):
    x = RNG.standard_normal((2, 80, 2), "float32")
    x[0, 40, 0] = np.nan
    layer = LAYERS[name]()
    bad = np.isnan(to_numpy(layer(x)))
    assert bad[0, :, 0].any() and not bad[1].any() and not bad[0, :, 1].any()
    assert not bad[:, :40].any() and not bad[0, 40 + int(min(layer.receptive_field, 40)) :].any()


def test_biquad_recovers_from_nan_at_a_reset():
    x = RNG.standard_normal((1, 90, 1), "float32")
    x[0, 5] = np.nan
    reset = np.arange(90)[None] == 50
    layer = Biquad(sos_of(0.8))
    layer.build(x.shape)
    y = stream(layer, x, [20, 50, 20], reset=reset)
    assert np.isnan(y[0, 5:50]).all() and np.isfinite(y[0, :5]).all()
    all_close(y[0, 50:], to_numpy(layer(x[:, 50:]))[0], 1e-6)


@pytest.mark.parametrize(
    ("layer", "field"),
    [(Delay(3), 4), (FIRFilter([0, 1, 0.5, 0]), 3), (FIRFilter([0.0, 0.0]), 1)],
)
def test_receptive_field_is_what_a_change_finds(layer, field):
    x = np.zeros((1, 20, 1), "float32")
    before = to_numpy(layer(x))
    x[0, 5] = 1
    moved = np.nonzero(to_numpy(layer(x)) != before)[1]
    assert layer.receptive_field == field
    assert not moved.size or moved.max() - 5 + 1 == field


@pytest.mark.parametrize(
    ("sos", "message"),
    [
        (sos_of(1.0), "must be stable"),
        (sos_of(1.5), "must be stable"),
        ([[1, 0, 0, 1, 2.5, 0.9]], "must be stable"),
        ([[1, 0, 0, 2, 0, 0]], "a0 = 1"),
        ([[1, 0, 0, 1, 0, np.nan]], "finite"),
        ([1, 0, 0, 1, 0, 0], "second-order sections"),
        ([], "second-order sections"),
        ("butter", "second-order sections"),
    ],
)
@pytest.mark.parametrize("trainable", [False, True])
def test_bad_sections_are_refused(sos, message, trainable):
    with pytest.raises(ValueError, match=message):
        Biquad(sos, trainable=trainable)


@pytest.mark.parametrize("coefficients", [[], [np.inf], 3.0, np.zeros((2, 2, 2))])
def test_bad_coefficients_are_refused(coefficients):
    with pytest.raises(ValueError, match="`coefficients` must be"):
        FIRFilter(coefficients)


def test_coefficients_for_other_features_are_refused():
    with pytest.raises(ValueError, match="for 2 features"):
        FIRFilter(np.ones((3, 2)))(np.zeros((1, 4, 3), "float32"))


@pytest.mark.parametrize("steps", [-1, 1.5, True, None])
def test_bad_delays_are_refused(steps):
    with pytest.raises(ValueError, match="`steps` must be"):
        Delay(steps)


def test_bad_initial_is_refused():
    with pytest.raises(ValueError, match="`initial` must be"):
        Biquad(sos_of(0.5), initial="mean")
