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


# Statistics are counted in training; nothing is drawn.
UNSTIRRED = {key: value for key, value in TRAINED.items() if key != "stochastic"}
FIXED = dict(
    mask="propagate",
    variable_axes=(1,),
    causal=True,
    streaming=True,
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


def projected_rows(layer, x):
    """The nearest direction in the small space, then the outer map, in float64."""
    inner = layer.projections[0]
    small = x @ np.asarray(inner.kernel_in) + np.asarray(inner.bias_in)
    rows = nearest_rows(small, np.asarray(layer.codebook), "cosine")
    return rows @ np.asarray(inner.kernel_out) + np.asarray(inner.bias_out)


def rows_of_halves(layer, x):
    halves = zip(np.split(x, 2, -1), layer.tables, strict=True)
    return np.concatenate([nearest_rows(h, np.asarray(t.rows())) for h, t in halves], -1)


def nearest_even_levels(layer, x):
    """Of levels evenly from -1 to 1 the one nearest to tanh, one feature after the other."""
    levels = [np.linspace(-1, 1, count) for count in layer.levels]
    nearest = [v[np.abs(np.tanh(x[..., i, None]) - v).argmin(-1)] for i, v in enumerate(levels)]
    return np.stack(nearest, -1).astype("float32")


def nearest_residual_levels(layer, x):
    """Level by level on what is left, each feature in float64."""
    counts = np.array(layer.levels)
    most = 1 + 1 / (counts - 1)
    rest, total = np.tanh(x / most) * most, 0.0
    for stage in range(layer.stages):
        for_each = []
        for i, count in enumerate(counts):
            levels = np.linspace(-1, 1, count) / float(count) ** stage
            for_each.append(levels[np.abs(rest[..., i, None] - levels).argmin(-1)])
        chosen = np.stack(for_each, -1)
        rest, total = rest - chosen, total + chosen
    return total.astype("float32")


def nearest_directions(layer, x):
    centered = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    small = (centered @ np.asarray(layer.projection)[0]).reshape(-1, layer.codebook_dim)
    codes = cdist(small, np.asarray(layer.directions)[0], "cosine").argmin(1)
    return codes.reshape(x.shape[:-1])


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
        traits={
            **{key: value for key, value in TRAINED.items() if key != "stochastic"},
            "draws": "batch",
        },
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
    Row(
        "VectorQuantizer[projected]",
        make=lambda: lamina.VectorQuantizer(
            8, codebook_dim=2, metric="cosine", gradient="rotation", start=table(8)[:, :2]
        ),
        inputs=vectors,
        oracle=projected_rows,
        traits=TRAINED,
    ),
    Row(
        "VectorQuantizer[groups]",
        make=lambda: lamina.VectorQuantizer(8, groups=2, start=table(8)),
        inputs=vectors,
        oracle=rows_of_halves,
        traits=TRAINED,
        tolerance=0,
    ),
    Row(
        "SimVectorQuantizer",
        make=lambda: lamina.SimVectorQuantizer(8, start=table(8)),
        inputs=vectors,
        oracle=lambda layer, x: nearest_rows(x, table(8)),
        traits=UNSTIRRED,
    ),
    Row(
        "LookupFreeQuantizer",
        make=lambda: lamina.LookupFreeQuantizer(4),
        inputs=vectors,
        oracle=lambda layer, x: np.sign(x),
        traits={**FIXED, "batch_coupled": "train"},
        tolerance=0,
    ),
    Row(
        "LookupFreeQuantizer[spherical]",
        make=lambda: lamina.LookupFreeQuantizer(4, spherical=True),
        inputs=vectors,
        oracle=lambda layer, x: np.sign(x) / 2,
        traits={**FIXED, "batch_coupled": "train"},
        tolerance=0,
    ),
    Row(
        "FiniteScalarQuantizer[symmetric]",
        make=lambda: lamina.FiniteScalarQuantizer((8, 5, 2, 3), symmetric=True),
        inputs=vectors,
        oracle=nearest_even_levels,
        traits=FIXED,
    ),
    Row(
        "ResidualFiniteScalarQuantizer",
        make=lambda: lamina.ResidualFiniteScalarQuantizer((8, 5, 2, 3), stages=3),
        inputs=vectors,
        oracle=nearest_residual_levels,
        traits=FIXED,
    ),
    Row(
        "RandomProjectionQuantizer",
        make=lambda: lamina.RandomProjectionQuantizer(8, codebook_dim=2, seed=1),
        inputs=vectors,
        oracle=nearest_directions,
        traits={k: v for k, v in FIXED.items() if k != "surrogate_gradient"}
        | {"differentiable": False, "output_dtype": "int32"},
        tolerance=0,
    ),
]
