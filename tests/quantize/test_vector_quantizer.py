"""What `VectorQuantizer` promises about one look-up."""

import copy

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops
from scipy.spatial.distance import cdist

from lamina import VectorQuantizer
from lamina._common import to_numpy
from lamina._common._fast import jit_compiled
from lamina.quantize._nearest import nearest

POLICIES = ["float32", "float64", "mixed_bfloat16", "float16"]


def gradient_of(function, x, layer=None):
    """d (function + the losses of `layer`) / d x on any backend, by one step of SGD on a weight
    that starts as x.
    """

    class Holder(keras.Model):
        def __init__(self):
            super().__init__()
            self.layer = layer
            self.x = self.add_weight(shape=x.shape, initializer=lambda *a, **k: ops.array(x))

        def call(self, inputs):
            return function(self.x) + 0 * ops.sum(inputs)

    model = Holder()
    model.compile(keras.optimizers.SGD(1.0), loss=lambda y, p: ops.sum(p), jit_compile=False)
    model.fit(np.zeros((1, 1)), np.zeros((1, 1)), verbose=0)
    return x - to_numpy(model.x)


@given(
    st.sampled_from([1, 60]),
    st.sampled_from([1, 40]),
    st.sampled_from([1, 2, 9]),
    st.sampled_from([0.0, 30.0]),
    st.integers(0, 10**6),
)
def test_every_vector_gets_its_nearest_row(vectors, rows, features, offset, seed):
    rng = np.random.default_rng(seed)
    table = (rng.standard_normal((rows, features)) + offset).astype("float32")
    x = (rng.standard_normal((vectors, features)) + offset).astype("float32")
    codes = to_numpy(VectorQuantizer(rows, start=table).encode(x))
    distances = cdist(x.astype("float64"), table.astype("float64"))
    chosen = distances[np.arange(vectors), codes]
    assert np.all(chosen <= distances.min(1) * (1 + 1e-4) + 1e-6)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_codes_are_those_of_brute_force_also_in_blocks(metric, rng):
    table = rng.standard_normal((50, 6)).astype("float32")
    x = rng.standard_normal((4, 25, 6)).astype("float32")
    expected = cdist(x.reshape(-1, 6), table, metric).argmin(1).reshape(4, 25)
    layer = VectorQuantizer(50, metric=metric, start=table)
    assert np.array_equal(to_numpy(layer.encode(x)), expected)
    vectors, rows = map(ops.convert_to_tensor, (x.reshape(-1, 6), table))
    blocks = to_numpy(jit_compiled(nearest)(vectors, rows, metric, 7))
    assert np.array_equal(blocks.reshape(4, 25), expected)


def test_a_tie_takes_the_lower_code():
    layer = VectorQuantizer(4, start=[[1.0], [0.0], [2.0], [3.0]])
    layer.build((None, 1))
    layer.tables[0].codebook.assign([[1.0], [0.0], [0.0], [1.0]])
    assert to_numpy(layer.encode(np.array([[0.1], [2.0]]))).tolist() == [1, 0]


def test_cosine_codes_ignore_the_length(rng):
    layer = VectorQuantizer(9, metric="cosine", start=rng.standard_normal((9, 3)))
    x = rng.standard_normal((40, 3))
    lengths = rng.uniform(0.01, 100, (40, 1))
    assert np.array_equal(to_numpy(layer.encode(x)), to_numpy(layer.encode(x * lengths)))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("update", ["ema", pytest.param("gradient", marks=pytest.mark.slow)])
def test_decoding_the_codes_gives_the_output_to_the_bit(policy, training, update, rng):
    table = (rng.standard_normal((16, 5)) * 3).astype("float32")
    table[0, 0] = -0.0
    layer = VectorQuantizer(16, start=table, update=update, return_codes=True, dtype=policy)
    x = rng.standard_normal((3, 7, 5)).astype("float32") * 1e3
    layer.build(x.shape)
    decoder = layer.decoder()  # Before the call: a training call uses the table that it finds.
    values, codes = layer(x, training=training)
    decoded = decoder(codes)
    assert values.dtype == decoded.dtype
    assert to_numpy(values).tobytes() == to_numpy(decoded).tobytes()


@pytest.mark.parametrize("update", [pytest.param("ema", marks=pytest.mark.slow), "gradient"])
def test_decoder_agrees_after_fit(update, rng):
    x = rng.standard_normal((64, 4)).astype("float32")
    layer = VectorQuantizer(8, update=update)
    model = keras.Sequential([keras.Input((4,)), layer, keras.layers.Dense(4)])
    model.compile("adam", "mse")
    model.fit(x, x, epochs=3, verbose=0, batch_size=16)
    decoded = layer.decoder()(layer.encode(x))
    assert to_numpy(decoded).tobytes() == to_numpy(layer(x)).tobytes()


def test_the_gradient_passes_straight_through(rng):
    layer = VectorQuantizer(5, start=rng.standard_normal((5, 3)), commitment=0.0)
    x, w = rng.standard_normal((2, 6, 3)).astype("float32")
    gradient = gradient_of(lambda v: ops.reshape(ops.sum(ops.multiply(layer(v), w)), (1, 1)), x)
    np.testing.assert_allclose(gradient, w, atol=1e-5)


@pytest.mark.parametrize("masked", [False, True])
def test_losses_are_van_den_oords(masked, rng):
    table = rng.standard_normal((6, 4)).astype("float32")
    x = rng.standard_normal((3, 5, 4)).astype("float32")
    mask = rng.random((3, 5)) < 0.6 if masked else np.ones((3, 5), bool)
    error = (cdist(x.reshape(-1, 4), table).min(1) ** 2)[mask.ravel()].mean() / 4
    for update, factor in (("ema", 0.7), ("gradient", 1.7)):
        layer = VectorQuantizer(6, start=table, commitment=0.7, update=update)
        layer(x, mask=ops.array(mask) if masked else None)
        np.testing.assert_allclose(to_numpy(layer.losses[0]), factor * error, rtol=1e-5)


def test_the_commitment_pulls_the_inputs_to_their_rows(rng):
    table = rng.standard_normal((6, 2)).astype("float32")
    x = rng.standard_normal((4, 2)).astype("float32")
    layer = VectorQuantizer(6, start=table, commitment=0.5)

    def unseen(v):
        return 0 * ops.reshape(ops.sum(layer(v)), (1, 1))

    rows = table[cdist(x, table).argmin(1)]
    gradient = gradient_of(unseen, x, layer)
    np.testing.assert_allclose(gradient, 0.5 * 2 * (x - rows) / x.size, atol=1e-5)


def test_gradient_rows_move_by_the_codebook_loss_alone(rng):
    table = rng.standard_normal((6, 3)).astype("float32")
    x = rng.standard_normal((32, 3)).astype("float32")
    codes = cdist(x, table).argmin(1)
    expected = table.astype("float64").copy()
    for k in range(6):
        expected[k] -= 0.5 * 2 * (table[k] - x[codes == k]).sum(0) / x.size
    layer = VectorQuantizer(6, start=table, update="gradient", revive_below=0)
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile(keras.optimizers.SGD(0.5), "mse")
    model.fit(x, np.ones_like(x), batch_size=32, verbose=0)
    np.testing.assert_allclose(to_numpy(layer.codebook), expected, atol=1e-6)


def test_masked_vectors_give_zero_and_no_code(rng):
    x = rng.standard_normal((2, 5, 3)).astype("float32")
    mask = np.array([[1, 1, 0, 1, 0], [0, 1, 1, 1, 1]], bool)
    layer = VectorQuantizer(4, start=rng.standard_normal((4, 3)), return_codes=True)
    clean, codes = map(to_numpy, layer(x, mask=ops.array(mask)))
    x[~mask] = np.nan
    values, _ = map(to_numpy, layer(x, mask=ops.array(mask)))
    assert np.array_equal(values, clean) and not values[~mask].any()
    assert np.array_equal(codes == -1, ~mask)
    assert np.array_equal(to_numpy(layer.decoder()(codes)), clean)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_vector_that_is_not_finite_is_never_quietly_quantized(bad, rng):
    layer = VectorQuantizer(4, start=rng.standard_normal((4, 3)), return_codes=True)
    x = rng.standard_normal((6, 3)).astype("float32")
    x[2, 1] = bad
    values, codes = map(to_numpy, layer(x, training=True))
    assert np.isnan(values[2]).any() and np.isfinite(np.delete(values, 2, 0)).all()
    assert codes[2] == -1 and (np.delete(codes, 2) >= 0).all()
    assert np.isfinite(to_numpy(layer.codebook)).all()


def test_an_empty_batch_passes():
    layer = VectorQuantizer(4, return_codes=True)
    values, codes = layer(np.zeros((0, 7, 3), "float32"), training=True)
    assert (tuple(values.shape), tuple(codes.shape)) == ((0, 7, 3), (0, 7))


def test_codes_leave_a_functional_model(rng):
    layer = VectorQuantizer(4, return_codes=True)
    inputs = keras.Input((None, 3))
    values, codes = layer(inputs)
    assert values.shape == (None, None, 3)
    assert (codes.shape, codes.dtype) == ((None, None), "int32")
    x = rng.standard_normal((2, 5, 3))
    predicted = keras.Model(inputs, codes).predict(x, verbose=0)
    assert np.array_equal(predicted, to_numpy(layer.encode(x)))
    with pytest.raises(ValueError, match="return_codes=True"):
        layer.encode(inputs)


def test_rebuilt_from_config_it_waits_for_its_weights(rng):
    table = rng.standard_normal((5, 2)).astype("float32")
    layer = VectorQuantizer(5, start=table)
    x = rng.standard_normal((3, 2))
    expected = to_numpy(layer(x))
    again = VectorQuantizer.from_config(copy.deepcopy(layer.get_config()))
    again.build(x.shape)
    with pytest.raises(ValueError, match="never loaded"):
        again(x)
    again.set_weights(layer.get_weights())
    assert np.array_equal(to_numpy(again(x)), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(codes=0), "codes"),
        (dict(codes=4, metric="manhattan"), "metric"),
        (dict(codes=4, update="adam"), "update"),
        (dict(codes=4, decay=1.5), "decay"),
        (dict(codes=4, commitment=-1.0), "commitment"),
        (dict(codes=4, revive_below=2.0), "revive_below"),
        (dict(codes=4, start="random"), "start"),
        (dict(codes=4, start=np.zeros((3, 2))), "at least one vector"),
        (dict(codes=4, start=np.full((8, 2), np.nan)), "finite"),
        (dict(codes=4, start=np.zeros(8)), "features"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        VectorQuantizer(**options)


def test_inputs_without_features_are_refused():
    with pytest.raises(ValueError, match="features"):
        VectorQuantizer(4)(keras.Input((None,)))
    with pytest.raises(ValueError, match="`start` has 3 features"):
        VectorQuantizer(4, start=np.eye(4, 3))(np.zeros((2, 5)))


def test_a_decoder_before_there_is_a_table_is_refused():
    with pytest.raises(ValueError, match="no table before it is built"):
        VectorQuantizer(4).decoder()
