"""Pushing a sequence in any split gives the result of the whole."""

import contextlib
import itertools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

import lamina
from lamina.streaming import _stream
from tests.streaming.cases import ALL, EVERY_SAMPLE, WindowMax, cut, inputs_in, inputs_of
from tests.support import all_close, as_list, in_one, to_numpy_tree

# Keras warns where a mask ends; here it is given to every kind of model.
pytestmark = pytest.mark.filterwarnings("ignore:.*does not support masking.*:UserWarning")

BOUND = {"float32": 1e-6, "float64": 1e-12}
# The quick suite has one model of each kind of node; the slow one has them all.
FEW = ["residual", "cells", "twice", "packed", "gates", "merged"]


def names(quick):
    marked = [pytest.param(n, marks=[] if n in quick else pytest.mark.slow) for n in ALL]
    return pytest.mark.parametrize("name", marked)


# Keras computes in float32 inside these, also of float64: matmul and normalisation on PyTorch, tanh
# and rsqrt on JAX.
NARROW = {"torch": {"residual", "gru", "branches"}, "jax": {"raw_features", "norms"}}
NARROW = NARROW.get(keras.backend.backend(), set())
# Keras on JAX cannot mask a cell whose output is not its state (docs/keras-defects.md).
MASKLESS = {"own_cell"} if keras.backend.backend() == "jax" else set()
# Its tanh on JAX gives float32 for float64: the whole-sequence layer itself fails (ditto).
UNABLE = {"simple_rnn"} if keras.backend.backend() == "jax" else set()
FLOAT64 = [pytest.param(n, marks=pytest.mark.slow) for n in EVERY_SAMPLE if n not in UNABLE]
FLOAT64 = ["residual", *FLOAT64]
SPLITS = st.lists(st.integers(0, 6), min_size=1, max_size=6).filter(lambda split: sum(split) >= 8)


@contextlib.contextmanager
def arithmetic():
    """Streams that TensorFlow does not trace: the arithmetic alone, quicker for a few blocks.

    JAX stays compiled: there it is the single operations that would take long.
    """
    with pytest.MonkeyPatch.context() as patch:
        if keras.backend.backend() == "tensorflow":
            patch.setattr(_stream, "compiled", lambda function, *others: function)
        yield


@contextlib.contextmanager
def float64():
    """Inputs, raw operations and layers in float64."""
    keras.config.set_dtype_policy("float64")
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        yield
    finally:
        keras.config.set_floatx(before)


def pushed(stream, model, x, split, mask=None, reset=None):
    """The outputs of all pieces of a split, joined."""
    at = np.cumsum([0, *split])
    pieces = [
        stream.push(
            cut(model, x, a, b),
            mask=None if mask is None else mask[:, a:b],
            reset=None if reset is None else reset[:, a:b],
        )
        for a, b in itertools.pairwise(at)
    ]
    flat = zip(*[as_list(to_numpy_tree(piece)) for piece in pieces], strict=True)
    return [np.concatenate(parts, axis=1) for parts in flat]


def whole(model, x, mask=None):
    if mask is None:
        return as_list(to_numpy_tree(in_one(model)(x)))
    mask = keras.ops.convert_to_tensor(mask)  # Keras' GRU on PyTorch takes no array
    masks = keras.tree.map_structure(
        lambda s: mask if s.shape[1] is None else None, inputs_in(model)
    )
    return as_list(to_numpy_tree(in_one(model)(x, mask=masks)))


def randomise(model, rng):
    """Weights away from their symmetric start; moving variances stay positive."""
    for weight in model.weights:
        value = 0.4 * rng.standard_normal(weight.shape)
        weight.assign(np.abs(value) + 0.1 if "variance" in weight.path else value)
    return model


def assert_equal(got, want, dtype="float32"):
    for ours, theirs in zip(got, want, strict=True):
        all_close(ours, theirs, BOUND[dtype])


@names(FEW)
def test_a_ragged_split_gives_the_whole(name, rng):
    model = randomise(ALL[name](), rng)
    x = inputs_of(model, rng, 2, 13)
    got = pushed(lamina.Stream(model, 2), model, x, (1, 0, 5, 1, 6))
    assert_equal(got, whole(model, x))


@names(FEW)
@settings(max_examples=2)
@given(split=SPLITS, seed=st.integers(0, 99))
def test_any_split_gives_the_whole_with_and_without_masks(name, split, seed):
    rng = np.random.default_rng(seed)
    model = randomise(ALL[name](), rng)
    x, mask = inputs_of(model, rng, 3, sum(split)), rng.random((3, sum(split))) > 0.3
    for marks in [None] if name in MASKLESS else [None, mask]:
        with arithmetic():
            got = pushed(lamina.Stream(model, 3), model, x, split, marks)
        assert_equal(got, whole(model, x, marks))


@pytest.mark.parametrize("name", FLOAT64)
def test_float64_holds_twelve_digits(name, rng):
    with float64():
        model = randomise(ALL[name](), rng)
        x = inputs_of(model, rng, 2, 12)
        with arithmetic():
            got = pushed(lamina.Stream(model, 2), model, x, (3, 1, 0, 8))
        assert_equal(got, whole(model, x), "float32" if name in NARROW else "float64")


def test_a_nested_model_casts_its_inputs_as_keras_does(rng):
    whole_numbers = keras.Input((None, 4), dtype="int32")
    inner = keras.Model(whole_numbers, layers.Dense(3)(keras.ops.cast(whole_numbers, "float32")))
    start = keras.Input((None, 4))
    model = randomise(keras.Model(start, inner(start * 3.0)), rng)
    x = inputs_of(model, rng, 2, 5)
    assert_equal(pushed(lamina.Stream(model, 2), model, x, (2, 0, 1, 2)), whole(model, x))


def turned(v, start):
    """A row block from `start` on, then what was before it."""
    return np.roll(v, -start, axis=1)


def assert_rows_start_again(model, x, split, reset, mask=None):
    """Each piece of a row between resets is what the model gives for it alone."""
    batch, time = reset.shape
    with arithmetic():
        got = pushed(lamina.Stream(model, batch), model, x, split, mask, reset)
    starts = sorted({0, *np.flatnonzero(reset.any(axis=0))})
    wanted = {}
    for start in starts:
        # What follows is not read: pieces of every length run as one of the whole length.
        piece = keras.tree.map_structure(
            lambda v, s, start=start: turned(v, start) if s.shape[1] is None else v,
            x,
            inputs_in(model),
        )
        wanted[start] = whole(model, piece, None if mask is None else turned(mask, start))
    for row in range(batch):
        cuts = sorted({0, *np.flatnonzero(reset[row]), time})
        for a, b in itertools.pairwise(cuts):
            want = [y[row, : b - a] for y in wanted[a]]
            assert_equal([y[row, a:b] for y in got], want)


@pytest.mark.parametrize("name", ["residual", "gru"])
def test_rows_start_again_where_reset_says(name, rng):
    model = randomise(EVERY_SAMPLE[name](), rng)
    reset = rng.random((2, 9)) > 0.75
    assert_rows_start_again(model, inputs_of(model, rng, 2, 9), (4, 0, 5), reset)


@pytest.mark.slow
@settings(max_examples=8)
@given(name=st.sampled_from(sorted(EVERY_SAMPLE)), seed=st.integers(0, 99))
def test_rows_of_any_model_start_again_where_reset_says(name, seed):
    rng = np.random.default_rng(seed)
    model = randomise(EVERY_SAMPLE[name](), rng)
    reset = rng.random((2, 9)) > 0.75
    assert_rows_start_again(model, inputs_of(model, rng, 2, 9), (4, 0, 5), reset)


def random_block(draw, x):
    """A random causal layer on `x`, some with a residual connection."""
    units = x.shape[-1]
    kind = draw(st.sampled_from(["conv", "lag", "gru", "norm", "max", "raw", "residual"]))
    if kind == "conv":
        size, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 3))
        return layers.Conv1D(units, size, padding="causal", dilation_rate=dilation)(x)
    if kind == "lag":
        lags = draw(st.lists(st.integers(0, 6), min_size=1, max_size=3, unique=True))
        return lamina.LagDense(units, lags, "tanh")(x)
    if kind == "residual":
        return layers.Add()([x, random_block(draw, x)])
    simple = {
        "gru": lambda: layers.GRU(units, return_sequences=True)(x),
        "norm": lambda: layers.RMSNormalization()(x),
        "max": lambda: WindowMax(draw(st.integers(1, 4)))(x),
        "raw": lambda: keras.ops.tanh(x) * 0.5 + x,
    }
    return simple[kind]()


def random_case(draw, depth):
    """A random model, inputs, and marks of what is missing and where rows start again."""
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    start = x = keras.Input((None, 3))
    for _ in range(draw(st.integers(1, depth))):
        x = random_block(draw, x)
    model, split = randomise(keras.Model(start, x), rng), draw(SPLITS)
    shape = (2, sum(split))
    mask = rng.random(shape) > 0.3 if draw(st.booleans()) else None
    reset = rng.random(shape) > (0.8 if draw(st.booleans()) else 1)
    return model, inputs_of(model, rng, *shape), split, reset, mask


@settings(max_examples=3)  # the next test has many more
@given(data=st.data())
def test_random_models_stream_with_masks_and_resets(data):
    assert_rows_start_again(*random_case(data.draw, depth=4))


@pytest.mark.slow
@settings(max_examples=60)
@given(data=st.data())
def test_many_random_models_stream_with_masks_and_resets(data):
    assert_rows_start_again(*random_case(data.draw, depth=6))


def test_the_same_split_gives_the_same_bits(rng):
    model = randomise(ALL["residual"](), rng)
    x, split = inputs_of(model, rng, 2, 11), (3, 1, 7)
    first = pushed(lamina.Stream(model, 2), model, x, split)
    again = pushed(lamina.Stream(model, 2), model, x, split)
    assert np.array_equal(first[0], again[0])


def test_a_nan_spreads_as_far_as_the_receptive_field(rng):
    model = randomise(ALL["residual"](), rng)
    stream = lamina.Stream(model)
    x = inputs_of(model, rng, 1, 20)
    want = whole(model, x)[0]
    x[0, 4, 0] = np.nan
    (got,) = pushed(stream, model, x, (1,) * 20)
    bad = np.isnan(got).any(axis=(0, 2))
    assert stream.receptive_field == 5
    assert set(np.flatnonzero(bad)) <= set(range(4, 9)) and bad[4]
    all_close(got[:, 9:], want[:, 9:], 1e-6)
