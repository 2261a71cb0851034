"""Layers that are linear in their weights, solved instead of trained."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np

from lamina._common import Array, received, to_numpy
from lamina.temporal._fir_filter import FIRFilter
from lamina.temporal._gated_lag_dense import GatedLagDense
from lamina.temporal._lag_dense import LagDense
from lamina.temporal._volterra import Volterra

# Rows of the system per decomposition: far more than columns, so that the triangle of those before
# costs little to factor again, and few enough that 1000 columns are 32 MB.
ROWS = 4096


# (A, Y) of the system A W = Y.
Pieces = Iterator[tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class LeastSquaresFit:
    """How well `fit_least_squares` could do.

    Attributes:
        r2: Share of the variance of y that the layer explains, over all outputs; 1 is all of it.
        residual: Root mean square error of each output.
        rank: Independent columns of the system. Below `parameters`, the data do not determine
            all weights, and the smallest ones that fit were taken.
        condition: Largest over smallest singular value; above 1e8 the weights mean little.
        parameters: Weights per output.
        samples: Rows of the system.
    """

    r2: float
    residual: np.ndarray
    rank: int
    condition: float
    parameters: int
    samples: int


def fit_least_squares(
    layer: keras.layers.Layer, x: Array, y: Array, mask: Array | None = None
) -> LeastSquaresFit:
    """Sets the weights of a layer that is linear in them to the best ones for `layer(x) = y`.

    Args:
        layer: A `LagDense` (or `ThreePointDependency`) or a `Volterra` without `rank`, with no
            activation; or a trainable `FIRFilter`.
        x: Inputs `(batch, time, features)`.
        y: Outputs wanted, `(batch, time, units)`.
        mask: `(batch, time)`: masked samples count as 0 as inputs, and are not fitted.

    Returns:
        A `LeastSquaresFit`: R2, residual, rank and condition number.

    Raises:
        ValueError: if the layer is not linear in its weights, or if shapes do not fit, or if a
            sample that is not masked is not finite.

    Example:
        >>> x = np.random.default_rng(0).standard_normal((1, 50, 1))
        >>> layer = lamina.LagDense(1, lags=(0, 2))
        >>> fit = lamina.fit_least_squares(layer, x, 3 * x)
        >>> round(fit.r2, 6), fit.rank
        (1.0, 3)
    """
    columns = _columns_of(layer)
    x, y, mask = _checked(layer, x, y, mask)
    if not layer.built:
        layer.build(x.shape)
    x = np.where(mask[..., None], x, 0)
    if isinstance(layer, FIRFilter):
        return _fit_filter(layer, x, y, mask, columns)
    solution, fit = _solve(_systems(x, y, mask, layer, columns))
    shapes = [w.shape for w in layer.weights]
    ends = np.cumsum([int(np.prod(shape[:-1])) for shape in shapes])[:-1]
    layer.set_weights([p.reshape(s) for p, s in zip(np.split(solution, ends), shapes, strict=True)])
    return fit


def _columns_of(layer: Any) -> Callable[[np.ndarray], np.ndarray]:
    """What the rows of the layer's weights are multiplied by, from windows `(rows, lags, f)`."""
    linear = getattr(layer, "activation", None) in (None, keras.activations.linear)
    if isinstance(layer, FIRFilter) and layer.learned:
        return lambda z: z[..., 0]
    if linear and not isinstance(layer, GatedLagDense) and layer.quantization_mode is None:
        if isinstance(layer, LagDense):
            return lambda z: z.reshape(len(z), -1)
        if isinstance(layer, Volterra) and layer.rank is None:
            return lambda z: _with_pairs(z.reshape(len(z), -1), layer.order)
    raise ValueError(
        "`layer` must be linear in its weights: a LagDense or Volterra (no rank) without "
        f"activation, or a trainable FIRFilter. Train others with `fit`. {received('layer', layer)}"
    )


def _with_pairs(z: np.ndarray, order: int) -> np.ndarray:
    if order == 1:
        return z
    first, second = np.triu_indices(z.shape[1])
    return np.concatenate([z, z[:, first] * z[:, second]], axis=1)


def _checked(
    layer: Any, x: Array, y: Array, mask: Array | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, y = (np.asarray(to_numpy(a), "float64") for a in (x, y))
    shape = x.shape[:2]
    mask = np.ones(shape, bool) if mask is None else np.asarray(to_numpy(mask), bool)
    units = x.shape[-1] if isinstance(layer, FIRFilter) else layer.units
    if x.ndim != 3 or y.shape != (*shape, units) or mask.shape != shape or not mask.any():
        raise ValueError(
            f"`x`, `y` and `mask` must be (batch, time, features), (batch, time, {units}) and "
            "(batch, time), not all masked. "
            f"{received('x.shape', x.shape, **{'y.shape': y.shape, 'mask.shape': mask.shape})}"
        )
    if not (np.isfinite(x[mask]).all() and np.isfinite(y[mask]).all()):
        raise ValueError("`x` and `y` must be finite where they are not masked: mask the gaps.")
    return x, y, mask


def _systems(
    x: np.ndarray,
    y: np.ndarray,
    mask: np.ndarray,
    layer: Any,
    columns: Callable[[np.ndarray], np.ndarray],
) -> Pieces:
    """Pieces (A, Y) of the system, every row of it once."""
    lags = np.array(layer.lags)
    bias = getattr(layer, "bias", None) is not None
    for row, wanted, valid in zip(x, y, mask, strict=True):
        times = np.flatnonzero(valid)
        for begin in range(0, len(times), ROWS):
            at = times[begin : begin + ROWS]
            back = at[:, None] - lags
            if layer.initial == "edge":
                back = np.maximum(back, times[0])
            a = columns(np.where((back >= 0)[..., None], row[np.maximum(back, 0)], 0))
            if bias:
                a = np.concatenate([a, np.ones((len(a), 1))], axis=1)
            yield a, wanted[at]


def _solve(pieces: Pieces) -> tuple[np.ndarray, LeastSquaresFit]:
    """Least squares in float64 by QR, piece after piece: the memory does not grow with time."""
    r: Any = None
    parameters, samples, total, square = 0, 0, np.zeros(1), np.zeros(1)
    for a, y in pieces:
        joined = np.concatenate([a, y], axis=1)
        r = np.linalg.qr(joined if r is None else np.concatenate([r, joined]), mode="r")
        parameters, samples = a.shape[1], samples + len(a)
        total, square = total + y.sum(0), square + (y**2).sum(0)
    left, right = r[:, :parameters], r[:, parameters:]
    solution, _, rank, singular = np.linalg.lstsq(left, right, rcond=None)
    lost = ((left @ solution - right) ** 2).sum(0)
    spread = square - total**2 / samples
    smallest = singular[-1] if len(singular) == parameters else 0.0
    return solution, LeastSquaresFit(
        r2=float(1 - lost.sum() / spread.sum()) if spread.sum() > 0 else float(lost.sum() == 0),
        residual=np.sqrt(lost / samples),
        rank=int(rank),
        condition=float(singular[0] / smallest) if smallest > 0 else float("inf"),
        parameters=parameters,
        samples=samples,
    )


def _fit_filter(
    layer: FIRFilter,
    x: np.ndarray,
    y: np.ndarray,
    mask: np.ndarray,
    columns: Callable[[np.ndarray], np.ndarray],
) -> LeastSquaresFit:
    """A response for all features is one system; one for each, each its own."""

    def pieces(features: Iterable[int]) -> Pieces:
        for i in features:
            one = slice(i, i + 1)
            yield from _systems(x[..., one], y[..., one], mask, layer, columns)

    features = range(x.shape[-1])
    if layer.coefficients.ndim == 1:
        solution, fit = _solve(pieces(features))
        layer.set_weights([solution[:, 0]])
        return fit
    solved = [_solve(pieces([i])) for i in features]
    layer.set_weights([np.concatenate([s for s, _ in solved], axis=1)])
    fits = [fit for _, fit in solved]
    weights = [y[..., i][mask].var() for i in features]
    return dataclasses.replace(
        fits[0],
        r2=float(np.average([fit.r2 for fit in fits], weights=weights if any(weights) else None)),
        residual=np.concatenate([fit.residual for fit in fits]),
        rank=min(fit.rank for fit in fits),
        condition=max(fit.condition for fit in fits),
    )
