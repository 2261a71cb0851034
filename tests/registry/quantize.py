"""Rows of the quantize family."""

import numpy as np
from scipy.spatial.distance import cdist

import lamina
from tests.registry._row import Row

TRAINED = dict(
    mask="propagate",
    variable_axes=(1,),
    causal=True,
    streaming=True,
    stateful="train",
    stochastic="train",
    batch_coupled="train",
    surrogate_gradient=True,
)


def vectors(rng):
    return rng.standard_normal((3, 11, 4)).astype("float32")


def table(rows, seed=1):
    return np.random.default_rng(seed).standard_normal((rows, 4)).astype("float32")


def nearest_rows(rest, rows, metric="euclidean"):
    """By SciPy's distances, one vector against all rows."""
    codes = cdist(rest.reshape(-1, rest.shape[-1]), rows, metric).argmin(1)
    return rows[codes].reshape(rest.shape)


def residual_rows(layer, x):
    total, rest = np.zeros_like(x), x
    for rows in layer.codebooks:
        chosen = nearest_rows(rest, np.asarray(rows))
        total, rest = total + chosen, rest - chosen
    return total


def nearest_levels(layer, x):
    """The level nearest to the bounded value, one feature after the other."""
    result = np.empty_like(x)
    for i, count in enumerate(layer.levels):
        levels = np.arange(count) - count // 2
        radius = (count - 1) * 1.001 / 2
        offset = 0.5 if count % 2 == 0 else 0.0
        bounded = radius * np.tanh(x[..., i] + np.arctanh(offset / radius)) - offset
        nearest = levels[np.abs(bounded[..., None] - levels).argmin(-1)]
        result[..., i] = nearest / (count // 2)
    return result


ROWS: list[Row] = [
    Row(
        "VectorQuantizer",
        make=lambda: lamina.VectorQuantizer(8, start=table(8)),
        inputs=vectors,
        oracle=lambda layer, x: nearest_rows(x, table(8)),
        traits=TRAINED,
        tolerance=0,
    ),
    Row(
        "VectorQuantizer[cosine]",
        make=lambda: lamina.VectorQuantizer(8, metric="cosine", start=table(8)),
        inputs=vectors,
        oracle=lambda layer, x: nearest_rows(x, table(8), "cosine"),
        traits=TRAINED,
        tolerance=0,
    ),
    Row(
        "VectorQuantizer[gradient, kmeans]",
        make=lambda: lamina.VectorQuantizer(5, update="gradient", return_codes=True),
        inputs=vectors,
        oracle=None,
        # It draws once, to start its table from the first batches; then nothing is left to chance.
        traits={key: value for key, value in TRAINED.items() if key != "stochastic"},
    ),
    Row(
        "ResidualVectorQuantizer",
        make=lambda: lamina.ResidualVectorQuantizer([8, 4, 3], stage_dropout=0.5, start=table(20)),
        inputs=vectors,
        oracle=residual_rows,
        traits=TRAINED,
    ),
    Row(
        "FiniteScalarQuantizer",
        make=lambda: lamina.FiniteScalarQuantizer((8, 5, 4, 3)),
        inputs=vectors,
        oracle=nearest_levels,
        traits=dict(
            mask="propagate",
            variable_axes=(1,),
            causal=True,
            streaming=True,
            surrogate_gradient=True,
        ),
    ),
]
