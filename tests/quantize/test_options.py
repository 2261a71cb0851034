"""What every option keeps: the decoder's bits, masks of any axes, counts, bad input."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops

import lamina
from lamina._common import to_numpy

D = 8


def table(rows, features=D):
    return np.random.default_rng(1).standard_normal((rows, features)).astype("float32")


EVERY = {
    "projected": lambda **k: lamina.VectorQuantizer(
        16, codebook_dim=3, metric="cosine", start=table(16, 3), **k
    ),
    "groups": lambda **k: lamina.VectorQuantizer(16, groups=4, start=table(16), **k),
    "heads": lambda **k: lamina.VectorQuantizer(16, groups=4, shared=True, start=table(16), **k),
    "projected groups": lambda **k: lamina.VectorQuantizer(
        16, groups=2, codebook_dim=3, start="uniform", **k
    ),
    "rotation": lambda **k: lamina.VectorQuantizer(16, gradient="rotation", start=table(16), **k),
    "sim": lambda **k: lamina.SimVectorQuantizer(16, seed=1, **k),
    "lookup-free": lambda **k: lamina.LookupFreeQuantizer(D, **k),
    "spherical": lambda **k: lamina.LookupFreeQuantizer(D, spherical=True, **k),
    "symmetric": lambda **k: lamina.FiniteScalarQuantizer([2, 3, 4, 5] * 2, symmetric=True, **k),
    "two levels": lambda **k: lamina.FiniteScalarQuantizer([2] * D, **k),
    "residual levels": lambda **k: lamina.ResidualFiniteScalarQuantizer([2, 3] * 4, 3, **k),
    "residual groups": lambda **k: lamina.ResidualVectorQuantizer(
        [16, 8], groups=2, start=table(40), **k
    ),
    "residual shared": lambda **k: lamina.ResidualVectorQuantizer(
        [16, 16], shared=True, start=table(40), **k
    ),
    "residual projected": lambda **k: lamina.ResidualVectorQuantizer(
        [16, 8], codebook_dim=3, start="uniform", stage_dropout=0.5, **k
    ),
}


@pytest.fixture
def x(rng):
    return rng.standard_normal((4, 6, D)).astype("float32")


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", EVERY)
def test_decoding_the_codes_gives_the_output_to_the_bit(name, training, x):
    layer = EVERY[name](return_codes=True)
    layer.build(x.shape)
    decoder = layer.decoder()
    values, codes = layer(x, training=training)
    assert np.array_equal(to_numpy(values), to_numpy(decoder(codes)))


@pytest.mark.parametrize("name", EVERY)
def test_channels_first_is_the_same_with_the_axes_moved(name, x):
    first, last = EVERY[name](data_format="channels_first"), EVERY[name]()
    moved = np.ascontiguousarray(np.moveaxis(x, -1, 1))
    first.build(moved.shape)
    last.build(x.shape)
    last.set_weights(first.get_weights())
    values = to_numpy(first(moved))
    assert np.array_equal(np.moveaxis(values, 1, -1), to_numpy(last(x)))
    assert np.array_equal(to_numpy(first.encode(moved)), to_numpy(last.encode(x)))
    assert np.array_equal(to_numpy(first.decoder()(first.encode(moved))), values)
    with pytest.raises(ValueError, match="channels_last"):
        _ = first.receptive_field


@pytest.mark.parametrize("name", EVERY)
def test_config_and_mask(name, x):
    layer = EVERY[name](return_codes=True)
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    mask = np.ones((4, 6), bool)
    mask[1, 2:] = False
    values, codes = map(to_numpy, layer(x, mask=ops.array(mask), training=True))
    assert not values[~mask].any()
    assert (codes[~mask] == -1).all() and (codes.reshape(4, 6, -1)[mask][:, 0] >= 0).all()


@pytest.mark.parametrize("shape", [(4,), (4, 6), (4, 1), (1, 6), (4, 6, 1), (4, 1, 3), (4, 6, 3)])
@pytest.mark.parametrize("name", ["groups", "two levels", "residual groups", "lookup-free"])
def test_a_mask_has_the_first_axes(name, shape, rng):
    x = rng.standard_normal((4, 6, 3, D)).astype("float32")
    mask = rng.random(shape) < 0.5
    layer = EVERY[name](return_codes=True)
    _, codes = layer(x, mask=ops.array(mask))
    wide = np.broadcast_to(mask.reshape(*shape, *[1] * (3 - len(shape))), (4, 6, 3))
    assert np.array_equal(to_numpy(codes).reshape(4, 6, 3, -1)[..., 0] >= 0, wide)
    assert np.array_equal(to_numpy(layer.encode(x, mask=mask)), to_numpy(codes))


@pytest.mark.parametrize("shape", [(3,), (4, 5), (4, 6, D), (4, 6, 1, 1)])
def test_a_mask_that_fits_no_axes_is_named(shape, x):
    with pytest.raises(ValueError, match="`mask` must have the first axes"):
        lamina.VectorQuantizer(4, start=table(4))(x, mask=np.ones(shape, bool))


def test_counts_stay_in_proportion_beyond_two_billion():
    layer = lamina.VectorQuantizer(3, start=[[0.0], [1.0], [2.0]], revive_below=0)
    layer.build((None, 1))
    hits = layer.tables[0].hits
    hits.assign(np.array([2**31 - 5, 2**30, 1], "int32"))
    layer(np.zeros((10, 1), "float32"), training=True)
    counts = to_numpy(hits)
    assert (counts > 0).all() and abs(counts[0] / counts[1] - 2) < 1e-6
    metric = lamina.CodebookPerplexity(2)
    metric.hits.assign(np.array([2**31 - 5, 2**31 - 5], "int32"))
    metric.update_state(np.zeros(10, "int32"))
    np.testing.assert_allclose(float(metric.result()), 2, rtol=1e-5)


@pytest.mark.parametrize("update", ["ema", "gradient"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nothing_is_learnt_from_a_batch_that_is_not_finite(bad, update, x):
    layer = lamina.VectorQuantizer(16, update=update, seed=0)
    model = keras.Sequential([keras.Input((6, D)), layer, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), lambda y, p: 0 * ops.mean(p))
    before = [to_numpy(w) for w in layer.weights]
    x[1, 2, 3] = bad
    model.fit(x, x, verbose=0)
    for old, new in zip(before, layer.weights, strict=True):
        assert np.array_equal(old, to_numpy(new)), new.path


def test_accumulated_steps_are_one_step(x):
    whole, parts = (
        lamina.VectorQuantizer(
            8, start=table(8), decay=0.5, revive_below=0, gradient_accumulation_steps=n
        )
        for n in (1, 2)
    )
    whole(x, training=True)
    parts(x[:2], training=True)
    assert np.array_equal(to_numpy(parts.codebook), table(8))
    parts(x[2:], training=True)
    np.testing.assert_allclose(to_numpy(parts.codebook), to_numpy(whole.codebook), atol=1e-6)


def test_a_beam_of_all_sums_finds_the_best(rng):
    layer = lamina.ResidualVectorQuantizer([4, 3, 2], start="uniform")
    x = rng.standard_normal((30, 3)).astype("float32")
    layer.build(x.shape)
    for part in layer.tables:
        part.codebook.assign(rng.standard_normal(part.codebook.shape))
    tables = [to_numpy(t) for t in layer.codebooks]
    every = (tables[0][:, None, None] + tables[1][None, :, None] + tables[2]).reshape(-1, 3)
    least = ((x[:, None] - every) ** 2).sum(-1).min(1)
    error = ((to_numpy(layer.decoder()(layer.encode(x, beam=24))) - x) ** 2).sum(-1)
    np.testing.assert_allclose(error, least, rtol=1e-4, atol=1e-6)
    greedy = ((to_numpy(layer(x)) - x) ** 2).sum()
    narrow = ((to_numpy(layer.decoder()(layer.encode(x, beam=2))) - x) ** 2).sum()
    assert least.sum() <= narrow <= greedy


def test_drawn_codes_follow_their_softmax():
    layer = lamina.VectorQuantizer(
        3, start=[[0.0], [1.0], [2.0]], temperature=2.0, decay=1.0, revive_below=0,
        return_codes=True, seed=0,
    )  # fmt: skip
    _, codes = layer(np.full((20000, 1), 0.5, "float32"), training=True)
    share = np.bincount(to_numpy(codes), minlength=3) / 20000
    weight = np.exp(-(np.array([0.5, 0.5, 1.5]) ** 2) / 2)
    np.testing.assert_allclose(share, weight / weight.sum(), atol=0.015)
    assert set(to_numpy(layer(np.full((50, 1), 0.4, "float32"))[1])) == {0}


def test_min_stages_are_always_passed(rng):
    layer = lamina.ResidualVectorQuantizer(
        [4] * 4, stage_dropout=1.0, min_stages=3, return_codes=True, seed=0
    )
    _, codes = layer(rng.standard_normal((300, 2)).astype("float32"), training=True)
    kept = (to_numpy(codes) >= 0).sum(-1)
    assert set(kept) == {3, 4}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lamina.FiniteScalarQuantizer([4098], dtype="float16"), "levels"),
        (lambda: lamina.FiniteScalarQuantizer([600], dtype="bfloat16"), "wider `dtype`"),
        (lambda: lamina.FSQDecoder([600], dtype="bfloat16"), "levels"),
        (lambda: lamina.VectorQuantizer(8, start=np.ones((9, 2))), "it has 1"),
        (lambda: lamina.VectorQuantizer(8, start=np.repeat(table(3), 4, 0)), "it has 3"),
        (lambda: lamina.VectorQuantizer(4, start=table(4, 3))(np.ones((2, 5))), "3 features"),
        (lambda: lamina.VectorQuantizer(4, groups=3)(np.ones((2, 5))), "groups"),
        (lambda: lamina.VectorQuantizer(4, orthogonality=1.0), "update='gradient'"),
        (lambda: lamina.VectorQuantizer(4, gradient="reinmax"), "gradient"),
        (lambda: lamina.VectorQuantizer(4, data_format="NCHW"), "data_format"),
        (lambda: lamina.ResidualVectorQuantizer([4, 8], shared=True), "shared"),
        (lambda: lamina.ResidualVectorQuantizer([4, 8], min_stages=3), "min_stages"),
        (lambda: lamina.LookupFreeQuantizer(31), "bits"),
        (lambda: lamina.LookupFreeQuantizer(4)(np.ones((2, 5))), "bits"),
        (lambda: lamina.ResidualFiniteScalarQuantizer([300, 300], 2), "65536"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message) as found:
        make()
    assert len(str(found.value)) < 600


def test_levels_as_many_as_the_dtype_holds_are_all_different():
    for dtype, most in (("bfloat16", 512), ("float16", 4096)):
        for symmetric in (False, True):
            values = lamina.FSQDecoder([most], symmetric=symmetric, dtype=dtype)(np.arange(most))
            wide = to_numpy(ops.cast(values, "float32")).ravel()
            assert (np.diff(wide) > 0).all(), (dtype, symmetric)


def test_a_monitor_draws_and_warns(tmp_path, rng, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("lamina.quantize._monitor.WARN_AFTER", 2)
    x = rng.standard_normal((64, 2)).astype("float32")
    rows = np.concatenate([[[0.0, 0.0]], 100 + np.arange(118.0).reshape(59, 2)])
    layer = lamina.VectorQuantizer(60, start=rows, revive_below=0, name="vq")
    model = keras.Sequential([keras.Input((2,)), layer, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    monitor = lamina.CodebookMonitor(picture=tmp_path / "codes.png")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        logs = model.fit(x, x[:, :1], verbose=0, callbacks=[monitor]).history
    told = [str(w.message) for w in caught if "of the codes of 'vq' are in use" in str(w.message)]
    assert len(told) == 1 and "revive_below" in told[0]
    assert (tmp_path / "codes.png").stat().st_size > 5000
    np.testing.assert_allclose(logs["vq_usage"], [1 / 60])
    assert logs["vq_revived"] == [0.0] and logs["vq_distance"][0] > 0


def test_revived_rows_are_counted(rng):
    rows = np.concatenate([table(4, 2), 1e3 + np.arange(8.0).reshape(4, 2)])
    layer = lamina.VectorQuantizer(8, start=rows, decay=0.0)
    layer(rng.standard_normal((50, 2)).astype("float32"), training=True)
    assert layer.revived().tolist() == [4]
    layer.reset_usage()
    assert layer.revived().tolist() == [0]
