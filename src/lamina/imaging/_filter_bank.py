"""One level of a two-channel filter bank with periodic borders, and its transpose."""

import importlib
from typing import Any

import numpy as np
from keras import ops

from lamina._common import Array, received


def filter_bank(wavelet: str) -> list[list[float]]:
    """Decomposition low and high, reconstruction low and high, of a wavelet's name."""
    try:
        # By name: PyWavelets' public names stand in no list that a type checker reads.
        pywt: Any = importlib.import_module("pywt")
    except ImportError as error:
        raise ImportError(
            "the filters of wavelets come from PyWavelets: pip install 'lamina[imaging]', or give "
            "`filters`"
        ) from error
    known = pywt.wavelist(kind="discrete")
    if wavelet not in known:
        raise ValueError(
            f"`wavelet` must be a discrete wavelet of PyWavelets: haar, db2, sym5, bior2.2, ... "
            f"(pywt.wavelist(kind='discrete')). {received('wavelet', wavelet)}"
        )
    return [list(taps) for taps in pywt.Wavelet(wavelet).filter_bank]


def analysis(x: Array, low: np.ndarray, high: np.ndarray, axis: int) -> tuple[Array, Array]:
    """`y[k] = sum_j f[j] x[(2 k + L/2 - j) mod n]` along an axis, for both filters."""
    taps = len(low)
    n = x.shape[axis]
    # As a correlation with stride 2: from x[(1 - L/2) mod n] on, the filter reversed.
    index = (np.arange(n + taps - 2) + 1 - taps // 2) % n
    kernel = np.stack([low[::-1], high[::-1]], axis=-1)[:, None, :]
    y = _convolved(x, index, kernel, stride=2, axis=axis)
    return y[..., 0], y[..., 1]


def synthesis(a: Array, d: Array, low: np.ndarray, high: np.ndarray, axis: int) -> Array:
    """The transpose of `analysis`: what the coefficients were taken from, for unitary filters."""
    taps, n = len(low), a.shape[axis]
    # x[2 m + p] = sum_q f[2 q + L/2 - p] y[m + q]: two interleaved correlations, no scattering.
    first, last = -(taps // 4) - 1, taps // 4 + 1
    kernel = np.zeros((last - first + 1, 2, 2))
    for q in range(first, last + 1):
        for p in (0, 1):
            j = 2 * q + taps // 2 - p
            if 0 <= j < taps:
                kernel[q - first, :, p] = low[j], high[j]
    index = (np.arange(n + last - first) + first) % n
    both = ops.stack([a, d], axis=-1)
    y = _convolved(both, index, kernel, stride=1, axis=axis)
    y = ops.moveaxis(y, -1, axis + 1)
    sizes: Array = ops.shape(a)
    shape = [*sizes]
    shape[axis] = 2 * n
    return ops.reshape(y, shape)


def _convolved(x: Array, index: np.ndarray, kernel: np.ndarray, stride: int, axis: int) -> Array:
    """`x` taken at `index` along an axis and correlated with `kernel`; outputs in a last axis."""
    several = kernel.shape[1] > 1
    x = ops.moveaxis(x, axis, -2 if several else -1)
    if not several:
        x = x[..., None]
    rest: Array = ops.shape(x)[:-2]
    x = ops.take(x, ops.convert_to_tensor(index, "int32"), axis=-2)
    x = ops.reshape(x, (-1, len(index), kernel.shape[1]))
    weights = ops.convert_to_tensor(kernel, x.dtype)
    y = ops.conv(x, weights, strides=stride, padding="valid", data_format="channels_last")
    y = ops.reshape(y, (*rest, y.shape[1], y.shape[2]))
    return ops.moveaxis(y, -2, axis)
