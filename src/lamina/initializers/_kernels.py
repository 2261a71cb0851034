"""Kernels `(lags, features, units)`, oldest sample first, that start as a known filter."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from lamina._common import Array, invalid, number, positive_integer, received, register


class KnownKernel(keras.initializers.Initializer):
    """A response over consecutive lags from feature `u % features` to unit `u`."""

    def response(self, size: int) -> np.ndarray:
        """`size` numbers, the oldest sample first."""
        raise NotImplementedError

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Array:
        if len(shape) != 3:
            raise ValueError(
                f"`{type(self).__name__}` makes kernels (lags, features, units), as `LagDense` "
                f"and `Conv1D` have. {received('shape', tuple(shape))}"
            )
        size, features, units = shape
        kernel = np.zeros(shape)
        kernel[:, np.arange(units) % features, np.arange(units)] = self.response(size)[:, None]
        return ops.convert_to_tensor(kernel, dtype or keras.config.floatx())

    def get_config(self) -> dict[str, Any]:
        return {}


@register
class Derivative(KnownKernel):
    """Backward differences: the kernel starts as the derivative of its inputs.

        y[t] = x[t] - x[t-1],  and for `order` 2: x[t] - 2 x[t-1] + x[t-2]

    Args:
        order: How often to differentiate; the kernel needs `order + 1` lags.

    Raises:
        ValueError: if the kernel has too few lags, or other axes than (lags, features, units).

    Example:
        >>> Derivative()((3, 1, 1))[:, 0, 0]
        [0.0, -1.0, 1.0]
    """

    def __init__(self, order: int = 1) -> None:
        self.order = positive_integer("order", order, "how often to differentiate")

    def response(self, size: int) -> np.ndarray:
        if size <= self.order:
            raise ValueError(
                f"A derivative of order {self.order} needs {self.order + 1} lags. "
                f"{received('lags', size)}"
            )
        signs = [(-1) ** i * math.comb(self.order, i) for i in range(self.order + 1)]
        return np.array([0.0] * (size - self.order - 1) + signs[::-1])

    def get_config(self) -> dict[str, Any]:
        return {"order": self.order}


@register
class MovingAverage(KnownKernel):
    """The kernel starts as the mean over its lags.

    Raises:
        ValueError: if the kernel has other axes than (lags, features, units).

    Example:
        >>> MovingAverage()((4, 1, 1))[:, 0, 0]
        [0.25, 0.25, 0.25, 0.25]
    """

    def response(self, size: int) -> np.ndarray:
        return np.full(size, 1 / size)


@register
class LowPass(KnownKernel):
    """The kernel starts as a windowed-sinc low-pass with a gain of 1 at frequency 0.

    Args:
        cutoff: The frequency of half the amplitude, in units of half the sampling rate: above 0,
            below 1.

    Raises:
        ValueError: if `cutoff` is not between 0 and 1, or if the kernel has other axes than
            (lags, features, units).

    Example:
        >>> LowPass(0.2)((5, 1, 1))[:, 0, 0]
        [0.0284, 0.237, 0.4692, 0.237, 0.0284]

    Reference:
        `scipy.signal.firwin(size, cutoff)`, a Hamming window, gives the same.
    """

    def __init__(self, cutoff: float) -> None:
        meaning = "between 0 and 1, which is half the sampling rate"
        self.cutoff = number("cutoff", cutoff, meaning)
        if not 0 < cutoff < 1:
            raise invalid("cutoff", meaning, cutoff)

    def response(self, size: int) -> np.ndarray:
        place = np.arange(size) - (size - 1) / 2
        response = np.sinc(self.cutoff * place) * np.hamming(size)
        return response / response.sum()

    def get_config(self) -> dict[str, Any]:
        return {"cutoff": self.cutoff}


@register
class IdentityKernel(KnownKernel):
    """The kernel starts as the current sample, times `gain`: 0 lets a residual start as nothing.

    Args:
        gain: What the current sample is multiplied by.

    Raises:
        ValueError: if the kernel has other axes than (lags, features, units).

    Example:
        >>> IdentityKernel()((3, 1, 1))[:, 0, 0]
        [0.0, 0.0, 1.0]
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def response(self, size: int) -> np.ndarray:
        return np.eye(1, size, size - 1)[0] * self.gain

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}
