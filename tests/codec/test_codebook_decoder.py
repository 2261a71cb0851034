"""CodebookDecoder: bit-equal to the table, one range policy everywhere, unloaded is an error."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lamina import CodebookDecoder, CustomDecoder
from tests.codec.support import compiled, slow

TABLE = np.random.default_rng(1).standard_normal((19, 5))
LARGE = np.random.default_rng(2).standard_normal((300, 256))
INTEGERS = ["uint8", "int32", *slow("int8", "uint16", "int16", "uint32", "int64")]
POLICIES = ["float32", "float16", "bfloat16", *slow("float64", "mixed_float16", "mixed_bfloat16")]


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def expected(codes, table, policy, pad=None):
    """The rule of the documentation, in NumPy."""
    table = np.asarray(table, "float32")
    codes = np.asarray(codes, "int64")
    wrong = (codes < 0) | (codes >= len(table))
    y = table[np.clip(codes, 0, len(table) - 1)]
    if policy != "clip":
        y[wrong] = 0 if policy == "zero" else np.nan
    if pad is not None:
        y[codes == pad] = 0
    return y


@pytest.mark.parametrize("dtype", INTEGERS)
def test_any_integer_dtype_gives_the_rows(dtype, rng):
    codes = rng.integers(0, len(TABLE), (3, 7)).astype(dtype)
    want = TABLE.astype("float32")[codes]
    assert np.array_equal(numpy(CodebookDecoder(TABLE)(codes)), want)
    assert np.array_equal(compiled(CodebookDecoder(TABLE), codes), want)


@pytest.mark.parametrize("policy", POLICIES)
def test_every_dtype_policy_is_one_cast_of_the_codebook(policy, rng):
    """A second rounding (float64 -> float32 -> float16) would change some of the numbers."""
    if policy == "float64" and keras.backend.backend() == "jax":
        pytest.importorskip("jax").config.jax_enable_x64 or pytest.skip("needs JAX_ENABLE_X64")
    layer = CodebookDecoder(LARGE, dtype=policy)
    codes = rng.integers(0, len(LARGE), (4, 100), "int32")
    y = layer(codes)
    assert keras.backend.standardize_dtype(y.dtype) == layer.compute_dtype
    want = LARGE.astype(np.dtype(layer.compute_dtype))[codes]
    assert np.array_equal(numpy(y).astype("float64"), want.astype("float64"))


@pytest.mark.parametrize("table", ["int8", "int32", "uint8"])
def test_integer_layers_and_integer_tables(table):
    values = np.array([[1, 2], [3, 100], [5, 6]], table)
    assert numpy(CodebookDecoder(values)(np.array([2, 1]))).dtype == "float32"
    exact = CodebookDecoder(values, dtype="int32", out_of_range="clip")
    assert np.array_equal(compiled(exact, np.array([1, 7, -1])), [[3, 100], [5, 6], [1, 2]])


@pytest.mark.parametrize("item", [(), (2, 3), *slow((4,))])
@pytest.mark.parametrize("shape", [(), (0,), (5,), (0, 3), (3, 0), (2, 3, 4)])
def test_any_rank_and_length(shape, item, rng):
    table = rng.standard_normal((6, *item)).astype("float32")
    codes = rng.integers(0, 6, shape, "int32")
    layer = CodebookDecoder(table)
    y = numpy(layer(keras.ops.convert_to_tensor(codes)))
    assert y.shape == tuple(layer.compute_output_shape(shape)) == shape + item
    assert np.array_equal(y, table[codes])


def test_codes_beyond_int32_do_not_wrap_into_the_table():
    if keras.backend.backend() == "jax":
        pytest.importorskip("jax").config.jax_enable_x64 or pytest.skip("needs JAX_ENABLE_X64")
    codes = np.array([-(2**40), 2**32, 1])
    for policy, want in {"nan": [np.nan, np.nan, 5], "clip": [4, 6, 5]}.items():
        layer = CodebookDecoder(np.array([4.0, 5.0, 6.0]), out_of_range=policy)
        assert np.array_equal(numpy(layer(codes)), want, equal_nan=True)


@pytest.mark.parametrize("table", [TABLE, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("policy", ["raise", "nan", "clip", "zero"])
@pytest.mark.parametrize("dtype", ["int32", "uint8", *slow("int64", "uint32")])
def test_out_of_range_policies_are_the_same_in_compiled_code(table, policy, dtype):
    ends = {"int32": [-1, 2**31 - 1], "int64": [-(2**40), 2**32], "uint32": [2**32 - 1]}
    codes = np.array([0, 18, 44, *ends.get(dtype, [255])], dtype)
    if dtype == "int64" and keras.backend.backend() == "jax":
        pytest.importorskip("jax").config.jax_enable_x64 or pytest.skip("needs JAX_ENABLE_X64")
    layer = CodebookDecoder(table, out_of_range=policy)
    want = expected(codes, table, policy)
    assert np.array_equal(compiled(layer, codes), want, equal_nan=True)
    if policy != "raise":
        assert np.array_equal(numpy(layer(codes)), want, equal_nan=True)
    elif np.isnan(want).any():
        with pytest.raises(ValueError, match=r"`codes` must lie in 0\.\.\d+. Received: .* at pos"):
            layer(codes)


@pytest.mark.parametrize("table", [TABLE, *slow(LARGE)], ids=["small", "large"])
@pytest.mark.parametrize("pad", [-1, 0, *slow(255, 1000)])
@pytest.mark.parametrize("policy", ["raise", "nan", "clip", "zero"])
def test_padding_comes_first_gives_zeros_and_is_masked(table, pad, policy):
    codes = np.array([[3, pad, pad], [pad, 1, 2]], "int32")
    layer = CodebookDecoder(table, out_of_range=policy, pad_value=pad)
    y = layer(codes)
    assert np.array_equal(numpy(y), expected(codes, table, policy, pad))
    assert np.array_equal(numpy(y._keras_mask), codes != pad)
    assert np.array_equal(compiled(layer, codes), expected(codes, table, policy, pad))


def test_padding_that_the_dtype_cannot_hold_matches_nothing():
    layer = CodebookDecoder(LARGE, pad_value=-1)
    assert np.array_equal(numpy(layer(np.array([255], "uint8"))), LARGE.astype("float32")[[255]])


def test_masked_codes_are_ignored():
    layer = CodebookDecoder(TABLE, pad_value=0)
    codes, mask = np.array([[1, 999, 0, 2]]), np.array([[True, False, True, True]])
    y = layer(codes, mask=mask)
    assert np.array_equal(numpy(y)[0, 1:3], np.zeros((2, 5)))
    assert np.array_equal(numpy(layer.compute_mask(codes, mask)), [[True, False, False, True]])
    deeper = CodebookDecoder(TABLE)(np.array([[[1, 2], [99, 3]]]), mask=np.array([[True, False]]))
    assert np.array_equal(numpy(deeper)[0, 1], np.zeros((2, 5)))


@given(
    codes=hnp.arrays(
        "int32", hnp.array_shapes(max_dims=3, min_side=0), elements=st.integers(-9, 40)
    ),
    policy=st.sampled_from(["nan", "clip", "zero"]),
    pad=st.sampled_from([None, -9, 3, 30]),
)
def test_the_rule_holds_for_any_codes(codes, policy, pad):
    layer = CodebookDecoder(TABLE, out_of_range=policy, pad_value=pad)
    assert np.array_equal(numpy(layer(codes)), expected(codes, TABLE, policy, pad), equal_nan=True)


@given(hnp.arrays("int32", hnp.array_shapes(max_dims=3), elements=st.integers(0, 18)))
def test_encode_undoes_decode(codes):
    layer = CodebookDecoder(TABLE)
    assert np.array_equal(layer.encode(numpy(layer(codes))), codes)


def test_the_codebook_never_trains_and_is_stored_once(tmp_path):
    layer = CodebookDecoder(TABLE)
    layer.trainable = True
    assert not layer.trainable_weights
    assert [tuple(w.shape) for w in layer.weights] == [(19, 5)]
    assert "codebook" in layer.weights[0].path and layer.name in layer.weights[0].path
    assert np.array_equal(layer.get_weights()[0], TABLE.astype("float32"))
    assert layer.get_config()["codebook"] == {"shape": [19, 5], "dtype": "float32"}


def test_a_rebuilt_layer_is_unloaded_until_its_weights_arrive():
    layer = CodebookDecoder(TABLE, out_of_range="clip")
    codes = np.array([[1, 2]], "int32")
    fresh = CodebookDecoder.from_config(layer.get_config())
    with pytest.raises(ValueError, match=r"never loaded.*Load the weights"):
        fresh(codes)
    assert np.isnan(compiled(fresh, codes)).all()
    fresh.set_weights(layer.get_weights())
    assert np.array_equal(numpy(fresh(codes)), numpy(layer(codes)))


def test_a_clone_is_unloaded_not_silently_zero():
    inputs = keras.Input((None,), dtype="int32")
    model = keras.Model(inputs, CodebookDecoder(TABLE)(inputs))
    clone = keras.models.clone_model(model)
    with pytest.raises(ValueError, match="never loaded"):
        clone(np.array([[1]]))
    if keras.backend.backend() == "torch":  # `predict` runs eagerly there.
        with pytest.raises(ValueError, match="never loaded"):
            clone.predict(np.array([[1]]), verbose=0)
    else:
        assert np.isnan(clone.predict(np.array([[1]]), verbose=0)).all()
    clone.set_weights(model.get_weights())
    assert np.array_equal(clone.predict(np.array([[1]]), verbose=0), TABLE.astype("float32")[[[1]]])


def test_an_unloaded_integer_table_is_an_error_too():
    layer = CodebookDecoder(np.array([[1], [2]]), dtype="int32", out_of_range="clip")
    with pytest.raises(ValueError, match="never loaded"):
        CodebookDecoder.from_config(layer.get_config())(np.array([0]))


class Subclassed(keras.Model):
    def __init__(self, table, **kwargs):
        super().__init__(**kwargs)
        self.decoder = CodebookDecoder(table)
        self.dense = keras.layers.Dense(2)

    def build(self, input_shape):
        self.dense.build(self.decoder.compute_output_shape(input_shape))
        self.built = True

    def call(self, inputs):
        return self.dense(self.decoder(inputs))


@pytest.mark.parametrize("fresh_table", [np.zeros_like(TABLE), {"shape": (19, 5)}])
def test_weights_only_save_and_load_into_a_fresh_subclassed_model(tmp_path, fresh_table):
    """Into one that is called only after the load: building does not read the codebook."""
    codes = np.array([[1, 2, 18]], "int32")
    model, fresh = Subclassed(TABLE), Subclassed(fresh_table)
    want = numpy(model(codes))
    model.save_weights(tmp_path / "all.weights.h5")
    fresh.build((None, None))
    fresh.load_weights(tmp_path / "all.weights.h5")
    assert np.array_equal(numpy(fresh(codes)), want)


@pytest.mark.parametrize("jit", [False, *slow(True)])
def test_fit_leaves_the_codebook_alone(jit, rng):
    if jit and keras.backend.backend() == "torch":
        pytest.skip("torch.compile takes too long here; test_compiles covers it")
    inputs = keras.Input((None,), dtype="int32")
    values = CodebookDecoder(TABLE, pad_value=0)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(values))
    model.compile("sgd", "mse", jit_compile=jit)
    kernel = model.get_weights()[1].copy()
    codes = rng.integers(0, 19, (8, 6), "int32")
    model.fit(codes, np.ones((8, 6, 1), "float32"), epochs=1, batch_size=4, verbose=0)
    assert np.array_equal(model.layers[1].get_weights()[0], TABLE.astype("float32"))
    assert not np.array_equal(model.get_weights()[1], kernel)


def test_custom_decoder_is_the_articles_name():
    layer = CustomDecoder(TABLE)
    assert CustomDecoder is CodebookDecoder
    assert np.array_equal(numpy(layer(np.array([[0, 1]]))), TABLE.astype("float32")[[[0, 1]]])


@pytest.mark.parametrize("codes", [np.zeros((2, 3), "float32"), np.zeros((2, 3), "bool")])
def test_codes_that_are_not_integers_are_an_error_that_shows_the_repair(codes):
    with pytest.raises(ValueError, match=r"keras.Input\(..., dtype='int32'\)"):
        CodebookDecoder(TABLE)(codes)
    with pytest.raises(ValueError, match=r"keras.Input\(..., dtype='int32'\)"):
        CodebookDecoder(TABLE)(keras.Input((3,), dtype=codes.dtype.name))


@pytest.mark.parametrize(
    "table",
    [np.float32(1), np.zeros((0, 3)), np.array([[1.0, np.nan]]), np.array(["a"]), np.array([1j])],
    ids=["rank 0", "empty", "NaN", "text", "complex"],
)
def test_a_table_that_cannot_be_decoded_from_is_an_error(table):
    with pytest.raises(ValueError, match="`codebook` must"):
        CodebookDecoder(table)


def test_arguments_that_cannot_be_are_errors():
    with pytest.raises(ValueError, match="`out_of_range` must be one of"):
        CodebookDecoder(TABLE, out_of_range="ignore")
    with pytest.raises(ValueError, match="`pad_value` must be an integer code"):
        CodebookDecoder(TABLE, pad_value=0.5)
    with pytest.raises(ValueError, match="needs a float dtype"):
        CodebookDecoder([1, 2], dtype="int32", out_of_range="nan")
    integers = CodebookDecoder([1, 2], dtype="int32")
    with pytest.raises(ValueError, match="Choose out_of_range='clip' or 'zero'"):
        compiled(integers, np.array([0]))
