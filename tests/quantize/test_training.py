"""How training moves a table: the running means, the start, revival, and what stays still."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops
from sklearn.cluster import KMeans

from lamina import CodebookMonitor, ResidualVectorQuantizer, VectorQuantizer
from lamina._common import to_numpy

JIT = keras.backend.backend() != "torch"
UPDATES = ["ema", pytest.param("gradient", marks=pytest.mark.slow)]


def residual(codes, **options):
    return ResidualVectorQuantizer([codes], **options)


def trained(layer, x, epochs=1, batch_size=64, callbacks=(), rate=0.0, jit=False):
    """`layer` after `fit` on x, in order."""
    model = keras.Sequential([keras.Input(x.shape[1:]), layer, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), "mse", jit_compile=jit)
    y = np.zeros((*x.shape[:-1], 1))
    model.history_ = model.fit(
        x, y, batch_size, epochs, verbose=0, shuffle=False, callbacks=list(callbacks)
    ).history
    return model


def running_means(table, batches, decay):
    """van den Oord's appendix A.1, literally; the first batch's mean count as the prior."""
    counts = np.full(len(table), len(batches[0]) / len(table))
    sums = counts[:, None] * table
    for batch in batches:
        means = sums / counts[:, None]
        codes = ((batch[:, None] - means) ** 2).sum(-1).argmin(1)
        here = np.eye(len(table))[codes]
        counts = decay * counts + (1 - decay) * here.sum(0)
        sums = decay * sums + (1 - decay) * here.T @ batch
    return sums / counts[:, None], counts


@pytest.mark.parametrize("decay", [pytest.param(0.5, marks=pytest.mark.slow), 0.99])
def test_fit_advances_the_running_means(decay, rng):
    x = rng.standard_normal((256, 3)).astype("float32")
    table = rng.standard_normal((8, 3)).astype("float32")
    layer = VectorQuantizer(8, start=table, decay=decay, revive_below=0)
    trained(layer, x, epochs=2, jit=JIT)
    batches = [x[i : i + 64].astype("float64") for i in range(0, 256, 64)] * 2
    rows, counts = running_means(table.astype("float64"), batches, decay)
    np.testing.assert_allclose(to_numpy(layer.codebook), rows, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(to_numpy(layer.tables[0].counts), counts, rtol=1e-4)


def test_without_memory_a_step_is_one_of_lloyds(rng):
    x = rng.standard_normal((300, 4)).astype("float32")
    table = x[:10].copy()
    layer = VectorQuantizer(10, start=table, decay=0.0, revive_below=0)
    layer(x, training=True)
    lloyd = KMeans(10, init=table, n_init=1, max_iter=1, tol=0)
    with warnings.catch_warnings(action="ignore"):  # Of a fit that has not converged.
        lloyd.fit(x)
    np.testing.assert_allclose(to_numpy(layer.codebook), lloyd.cluster_centers_, atol=1e-5)


@pytest.mark.parametrize("layer", [VectorQuantizer, pytest.param(residual, marks=pytest.mark.slow)])
@pytest.mark.parametrize("update", UPDATES)
def test_inference_and_frozen_layers_change_nothing(layer, update, rng):
    x = rng.standard_normal((40, 3)).astype("float32")
    quantizer = layer(8, update=update)
    quantizer(x, training=True)
    before = [to_numpy(v).copy() for v in quantizer.variables]
    quantizer(x)
    quantizer.encode(x)
    quantizer.trainable = False
    quantizer(x, training=True)
    model = trained(quantizer, x, rate=0.1)
    model.evaluate(x, np.zeros((40, 1)), verbose=0)
    model.predict(x, verbose=0)
    assert all(
        np.array_equal(a, to_numpy(b)) for a, b in zip(before, quantizer.variables, strict=True)
    )


@pytest.mark.parametrize("update", UPDATES)
def test_kmeans_start_finds_what_scikit_learn_finds(update, rng):
    centers = rng.standard_normal((12, 4)) * 10
    x = (centers[rng.integers(0, 12, 600)] + rng.standard_normal((600, 4))).astype("float32")
    layer = VectorQuantizer(12, update=update, seed=1)
    trained(layer, x, batch_size=600)
    error = ((to_numpy(layer(x)) - x) ** 2).sum()
    assert error < 1.2 * KMeans(12, n_init=5, random_state=0).fit(x).inertia_


def test_a_table_larger_than_a_batch_fills_over_the_first_batches(rng):
    x = rng.standard_normal((512, 4)).astype("float32")
    layer = VectorQuantizer(128, revive_below=0, seed=0)
    trained(layer, x, batch_size=32)
    assert len(np.unique(to_numpy(layer.encode(x)))) > 0.9 * 128


def test_repeated_vectors_do_not_cost_rows(rng):
    x = np.repeat(rng.standard_normal((9, 3)), [200] + [2] * 8, axis=0).astype("float32")
    layer = VectorQuantizer(9, seed=0)
    layer(x, training=True)
    assert len(np.unique(to_numpy(layer.encode(x)))) == 9


def test_data_starts_a_table_at_construction(rng):
    x = rng.standard_normal((500, 3)).astype("float32")
    layer = VectorQuantizer(16, start=x, seed=0)
    error = ((to_numpy(layer(x)) - x) ** 2).sum()
    assert error < 1.1 * KMeans(16, n_init=5, random_state=0).fit(x).inertia_
    exact = VectorQuantizer(500, start=x)
    assert np.array_equal(to_numpy(exact(x)), x)


FAR_ROWS = 1e3 + np.arange(12.0).reshape(4, 3)


def with_dead_rows(rng, **options):
    table = np.concatenate([rng.standard_normal((4, 3)), FAR_ROWS]).astype("float32")
    return VectorQuantizer(8, start=table, decay=0.8, seed=0, **options)


@pytest.mark.parametrize("update", UPDATES)
def test_dead_rows_come_back(update, rng):
    x = rng.standard_normal((640, 3)).astype("float32")
    layer = with_dead_rows(rng, update=update)
    trained(layer, x, epochs=3, jit=JIT)
    assert len(np.unique(to_numpy(layer.encode(x)))) == 8
    left = with_dead_rows(rng, update=update, revive_below=0)
    trained(left, x, epochs=3)
    assert np.array_equal(to_numpy(left.codebook)[4:], FAR_ROWS.astype("float32"))


def test_masked_vectors_teach_nothing(rng):
    x = rng.standard_normal((4, 30, 3)).astype("float32")
    mask = rng.random((4, 30)) < 0.5
    results = []
    for garbage in (0.0, np.nan, 1e6):
        x[~mask] = garbage
        layer = VectorQuantizer(8, seed=3)
        layer(x, mask=ops.array(mask), training=True)
        results.append([to_numpy(w) for w in layer.weights])
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))
    assert to_numpy(layer.tables[0].hits).sum() == mask.sum()


def test_half_precision_keeps_its_running_means(rng):
    x = rng.standard_normal((256, 3)).astype("float32")
    layer = VectorQuantizer(4, start=x[:4], decay=0.999, revive_below=0, dtype="bfloat16")
    for _ in range(20):
        layer(x, training=True)
    assert keras.backend.standardize_dtype(layer.codebook.dtype) == "float32"
    half = ops.cast(ops.cast(x, "bfloat16"), "float32")
    rows, _ = running_means(x[:4].astype("float64"), [to_numpy(half).astype("float64")] * 20, 0.999)
    np.testing.assert_allclose(to_numpy(layer.codebook), rows, atol=1e-4)


def test_monitor_reports_usage_of_each_epoch(rng):
    x = rng.standard_normal((192, 3)).astype("float32")
    layer = VectorQuantizer(32, start=x[:32] * 2, decay=1.0, revive_below=0, name="vq")
    model = trained(layer, x, epochs=2, callbacks=[CodebookMonitor()])
    hits = np.bincount(to_numpy(layer.encode(x)), minlength=32)
    share = hits[hits > 0] / hits.sum()
    perplexity = np.exp(-(share * np.log(share)).sum())
    np.testing.assert_allclose(model.history_["vq_usage"], [np.mean(hits > 0)] * 2)
    np.testing.assert_allclose(model.history_["vq_perplexity"], [perplexity] * 2, rtol=1e-6)


def test_state_is_saved_and_training_goes_on(rng, tmp_path):
    x = rng.standard_normal((128, 3)).astype("float32")
    model = trained(VectorQuantizer(8, update="gradient", seed=1), x)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for a, b in zip(model.layers[0].weights, again.layers[0].weights, strict=True):
        assert np.array_equal(to_numpy(a), to_numpy(b))
    again.fit(x, np.zeros((128, 1)), verbose=0)
    hits = to_numpy(again.layers[0].tables[0].hits)
    assert hits.sum() == 256
