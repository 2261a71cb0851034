"""CodebookDense: what a dense layer gives for decoded codes, whichever way it takes."""

import keras
import numpy as np
import pytest

import lamina
from tests.codec.support import compiled, slow

RNG = np.random.default_rng(5)
STAGES = [RNG.standard_normal((n, 6)) for n in (5, 7, 6)]
PARTS = RNG.standard_normal((4, 16, 3))


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def decoders(kind, **kwargs):
    """A decoder of 5 codes or more, and the shape of a vector's codes."""
    if kind == "product":
        return lamina.ProductDecoder(PARTS, **kwargs), (4,)
    if kind == "residual":
        return lamina.ResidualDecoder(STAGES, **kwargs), (3,)
    return lamina.CodebookDecoder(STAGES[0], **kwargs), ()


def product_of(layer, vectors):
    return vectors @ numpy(layer.kernel.value) + numpy(layer.bias.value)


def check_close(got, want, tolerance=1e-6):
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * np.abs(want).max())


@pytest.mark.parametrize("count", [3, 700])
@pytest.mark.parametrize("units", [8, 9])
@pytest.mark.parametrize("kind", ["product", *slow("residual", "codebook")])
def test_equals_decode_and_dense(kind, units, count, rng):
    """3 codes are decoded, 700 are not; 8 units and 9 are summed in two ways."""
    decoder, shape = decoders(kind)
    codes = rng.integers(0, 5, (count, *shape), "int32")
    layer = lamina.CodebookDense(units, decoder, activation="relu", bias_initializer="normal")
    got = numpy(layer(codes))
    want = np.maximum(product_of(layer, numpy(decoder(codes))), 0)
    check_close(got, want)
    check_close(compiled(layer, codes), want)


@pytest.mark.parametrize("kind", ["product", *slow("residual", "codebook")])
@pytest.mark.parametrize("count", [3, 700])
def test_float64_is_float64_throughout(kind, count, rng):
    """Its product was computed in float32 on PyTorch, its tanh on JAX."""
    decoder, shape = decoders(kind, dtype="float64")
    codes = rng.integers(0, 5, (count, *shape), "int32")
    layer = lamina.CodebookDense(9, decoder, activation="tanh", dtype="float64")
    got = numpy(layer(codes))
    assert got.dtype == np.float64
    with np.errstate(all="ignore"):
        vectors = numpy(decoder(codes))
    activate = keras.backend.backend() != "jax"
    want = np.tanh(product_of(layer, vectors))
    # Keras' own tanh rounds to float32 on JAX; the layer returns its result in the right dtype.
    check_close(got, want, 1e-14 if activate else 1e-6)
    plain = lamina.CodebookDense(9, decoder, dtype="float64")
    got = numpy(plain(codes))
    check_close(got, product_of(plain, vectors), 1e-14)


@pytest.mark.parametrize("count", [3, 700])
def test_an_activation_with_weights_is_not_compiled_in(count, rng):
    """A compiled function would keep its weights as they were at the first call."""
    decoder, shape = decoders("product")
    codes = rng.integers(0, 5, (count, *shape), "int32")
    layer = lamina.CodebookDense(3, decoder, activation=keras.layers.PReLU())
    layer(codes)
    for slope in (0.5, -2.0):
        layer.activation.set_weights([np.full(3, slope, "float32")])
        y = product_of(layer, numpy(decoder(codes)))
        check_close(numpy(layer(codes)), np.where(y > 0, y, slope * y))


@pytest.mark.parametrize("activation", ["relu", "softmax", *slow("gelu", "elu", "tanh")])
def test_the_activation_inside_is_that_of_keras(activation, rng):
    decoder, shape = decoders("product")
    codes = rng.integers(0, 16, (700, *shape), "int32")
    layer = lamina.CodebookDense(9, decoder, activation=activation)
    got = numpy(layer(codes))
    plain = product_of(layer, numpy(decoder(codes))).astype("float32")
    check_close(got, numpy(keras.activations.get(activation)(keras.ops.convert_to_tensor(plain))))


@pytest.mark.parametrize("count", [3, 700])
@pytest.mark.parametrize("policy", ["nan", "zero", "clip"])
def test_codes_out_of_range_follow_the_policy_both_ways(policy, count):
    decoder, _ = decoders("product", out_of_range=policy)
    codes = np.tile(np.array([[16, 1, -1, 3], [0, 1, 2, 3]], "int32"), (count, 1))
    layer = lamina.CodebookDense(9, decoder, bias_initializer="ones")
    got = numpy(layer(codes))
    parts = [PARTS[m, np.clip(codes[:, m], 0, 15)] for m in range(4)]
    if policy != "clip":
        wrong = [(codes[:, m] < 0) | (codes[:, m] > 15) for m in range(4)]
        fill = 0 if policy == "zero" else np.nan
        parts = [np.where(w[:, None], fill, p) for w, p in zip(wrong, parts, strict=True)]
    want = product_of(layer, np.concatenate(parts, 1).astype("float32"))
    assert np.array_equal(np.isnan(got), np.isnan(want))
    check_close(np.nan_to_num(got), np.nan_to_num(want))


@pytest.mark.tensorflow
def test_changing_lengths_trace_once_in_a_graph_and_compile_few_times_outside(rng, monkeypatch):
    import tensorflow as tf

    from lamina.codec import _codebook_dense

    rows = set()
    real = _codebook_dense.add_stages

    def counted(codes, *others):
        rows.add(codes.shape[0])
        return real(codes, *others)

    decoder, shape = decoders("residual")
    layer = lamina.CodebookDense(9, decoder)
    layer.build((None, *shape))
    traced = tf.function(layer, input_signature=[tf.TensorSpec((None, *shape), tf.int32)])
    few, many = (0, 1, 27), (28, 255, 256, 257, 300, 320, 700)
    for count in (*few, *many):
        codes = rng.integers(0, 5, (count, *shape), "int32")
        vectors = sum(STAGES[q][codes[:, q]] for q in range(3)).astype("float32")
        want = product_of(layer, vectors)
        np.testing.assert_allclose(traced(codes).numpy(), want, rtol=0, atol=1e-5)
        with monkeypatch.context() as patch:
            patch.setattr(_codebook_dense, "add_stages", counted)
            np.testing.assert_allclose(layer(codes).numpy(), want, rtol=0, atol=1e-5)
    assert traced.experimental_get_tracing_count() == 1
    # XLA compiles for each number of rows: few of them, rounded up. The few codes are not compiled.
    assert rows - set(few) <= {256, 320, 768}
