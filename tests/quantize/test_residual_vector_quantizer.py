"""What `ResidualVectorQuantizer` promises."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy.spatial.distance import cdist

from lamina import ResidualVectorQuantizer
from lamina._common import to_numpy
from tests.quantize.test_vector_quantizer import gradient_of


@pytest.fixture(scope="module")
def fitted():
    """(layer, x) after `fit` on x."""
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).standard_normal((40, 12, 4)).astype("float32")
    layer = ResidualVectorQuantizer([16, 8, 4], stage_dropout=0.5, commitment=0.5, seed=1)
    model = keras.Sequential([keras.Input((None, 4)), layer, keras.layers.Dense(4)])
    model.compile("adam", "mse")
    model.fit(x, x, batch_size=10, epochs=2, verbose=0)
    return layer, x


def test_each_stage_codes_what_the_stages_before_left(fitted):
    layer, x = fitted
    rest = x.reshape(-1, 4).astype("float64")
    codes = to_numpy(layer.encode(x)).reshape(-1, 3)
    for stage, rows in enumerate(layer.codebooks):
        rows = to_numpy(rows).astype("float64")
        distances = cdist(rest, rows)
        chosen = distances[np.arange(len(rest)), codes[:, stage]]
        assert np.all(chosen <= distances.min(1) * (1 + 1e-4) + 1e-6)
        rest = rest - rows[codes[:, stage]]
    np.testing.assert_allclose(
        x.reshape(-1, 4) - rest, to_numpy(layer(x)).reshape(-1, 4), atol=1e-5
    )


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "policy",
    [
        "float32",
        "mixed_bfloat16",
        pytest.param("float64", marks=pytest.mark.slow),
        pytest.param("float16", marks=pytest.mark.slow),
    ],
)
def test_decoding_the_codes_gives_the_output_to_the_bit(policy, training, rng):
    x = rng.standard_normal((40, 7, 5)).astype("float32")
    layer = ResidualVectorQuantizer(
        [16, 8, 24], stage_dropout=0.5, start=x.reshape(-1, 5), return_codes=True, dtype=policy
    )
    layer.build(x.shape)
    decoder = layer.decoder()
    values, codes = layer(x, training=training)
    decoded = decoder(codes)
    assert values.dtype == decoded.dtype
    assert np.array_equal(
        to_numpy(ops.cast(values, "float64")), to_numpy(ops.cast(decoded, "float64"))
    )


def test_more_stages_are_closer(fitted):
    layer, x = fitted
    codes = to_numpy(layer.encode(x))
    decoder, errors = layer.decoder(), []
    for stages in (1, 2, 3):
        errors.append(float(np.mean((to_numpy(decoder(codes[..., :stages])) - x) ** 2)))
    assert errors[0] > errors[1] > errors[2]


def test_stage_dropout_keeps_a_prefix_for_whole_rows(rng):
    x = rng.standard_normal((600, 3, 4)).astype("float32")
    layer = ResidualVectorQuantizer([4, 4, 4, 4], stage_dropout=0.5, return_codes=True, seed=0)
    _, codes = layer(x, training=True)
    kept = to_numpy(codes) >= 0
    assert np.array_equal(kept, kept[:, :1].repeat(3, 1))
    assert np.array_equal(kept, np.logical_and.accumulate(kept, axis=-1))
    stages = np.bincount(kept[:, 0].sum(-1), minlength=5) / 600
    # Half of the rows pass all; the other half is spread evenly over 1 to 4.
    np.testing.assert_allclose(stages, [0, 0.125, 0.125, 0.125, 0.625], atol=0.06)
    hits = [to_numpy(table.hits).sum() for table in layer.tables]
    assert hits == kept.sum((0, 1)).tolist()
    assert (to_numpy(layer(x)[1]) >= 0).all()


def test_the_input_gets_the_gradient_once(rng):
    layer = ResidualVectorQuantizer([4, 4, 4], start=rng.standard_normal((30, 3)), commitment=0.0)
    x, w = rng.standard_normal((2, 6, 3)).astype("float32")
    gradient = gradient_of(lambda v: ops.reshape(ops.sum(ops.multiply(layer(v), w)), (1, 1)), x)
    np.testing.assert_allclose(gradient, w, atol=1e-5)


def test_the_loss_is_the_sum_over_the_stages(fitted):
    layer, x = fitted
    layer(x)
    rest, expected = x.reshape(-1, 4), 0.0
    codes = to_numpy(layer.encode(x)).reshape(-1, 3)
    for stage, rows in enumerate(layer.codebooks):
        rest = rest - to_numpy(rows)[codes[:, stage]]
        expected += 0.5 * np.mean(rest**2)
    np.testing.assert_allclose(to_numpy(layer.losses[0]), expected, rtol=1e-5)


def test_masked_vectors_have_no_code_at_any_stage(rng):
    x = rng.standard_normal((3, 5, 4)).astype("float32")
    mask = rng.random((3, 5)) < 0.5
    layer = ResidualVectorQuantizer([4, 4], start=rng.standard_normal((9, 4)), return_codes=True)
    x[~mask] = np.nan
    values, codes = map(to_numpy, layer(x, mask=ops.array(mask), training=True))
    assert np.array_equal(codes < 0, np.stack([~mask, ~mask], -1))
    assert not values[~mask].any() and np.isfinite(values).all()


@pytest.mark.parametrize("codes", [8, [], [4, 0]])
def test_bad_sizes_are_named(codes):
    with pytest.raises(ValueError, match="codes"):
        ResidualVectorQuantizer(codes)
