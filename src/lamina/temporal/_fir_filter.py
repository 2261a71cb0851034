"""A finite impulse response on every feature."""

from typing import Any, cast

import keras
import numpy as np
from keras import ops

from lamina._common import Array, Shape, invalid, received, register
from lamina._common._fast import depthwise_convolution
from lamina.temporal._design import check_finite, scipy_signal
from lamina.temporal._memory import FiniteMemory, Taps

# Lags that a row with resets gathers at once: the memory grows with them, the size of the graph
# with how often they fit. 16 keeps 1000 taps below 64 products and a block below 16 copies.
CHUNK = 16


@register
class FIRFilter(FiniteMemory):
    """A causal finite impulse response filter, the same on every feature.

        y[t] = sum_i coefficients[i] * x[t - i]

    Args:
        coefficients: The impulse response, current sample first, as `scipy.signal.firwin`
            gives it: a sequence of numbers, or `(taps, features)` for one per feature.
        trainable: Whether the coefficients are weights that are trained, from these values.
            A fixed filter has no weights, and stays fixed when the model is made trainable.
        initial: What was before the first sample: `"zeros"`, or `"edge"` for the row's first
            valid sample repeated, which spares the filter its start-up.

    Input shape:
        `(batch, time, features)`. Any of batch and time may be unknown or 0. `call` also takes
        `reset` `(batch, time)`: where it is true, the row starts again at that sample.

    Output shape:
        As the input.

    Masking:
        A masked sample counts as 0 and time goes on; its own output is 0. The mask passes on.

    Streaming:
        State `past`: `(batch, taps - 1, features)`; with `initial="edge"` also `started`:
        `(batch,)`. Receptive field: the number of taps, less the zeros at the end of a fixed
        filter.

    Raises:
        ValueError: if `coefficients` are empty or not finite, or of another number of features.

    Example:
        >>> FIRFilter([0.5, 0.5])(np.array([[[1.0], [2.0], [4.0]]]))[0, :, 0]
        [0.5, 1.5, 3.0]

    Reference:
        `scipy.signal.lfilter(coefficients, 1, x, axis=1)` gives the same.
    """

    def __init__(
        self,
        coefficients: Array,
        trainable: bool = False,
        initial: str = "zeros",
        **kwargs: Any,
    ) -> None:
        values = np.asarray(coefficients, "float64")
        if values.ndim not in (1, 2) or values.size == 0:
            wanted = "an impulse response of at least one tap, (taps,) or (taps, features)"
            raise invalid("coefficients", wanted, coefficients)
        check_finite("coefficients", values)
        super().__init__(range(len(values)), initial=initial, trainable=trainable, **kwargs)
        self.coefficients = values
        self.learned = trainable

    @classmethod
    def design(
        cls,
        taps: int,
        cutoff: float | tuple[float, float],
        kind: str = "lowpass",
        window: str | tuple = "hamming",
        fs: float = 2.0,
        **kwargs: Any,
    ) -> "FIRFilter":
        """A windowed-sinc filter by `scipy.signal.firwin`; `cutoff` in the units of `fs`."""
        firwin = scipy_signal().firwin
        return cls(firwin(taps, cutoff, pass_zero=kind, window=window, fs=fs), **kwargs)

    @property
    def receptive_field(self) -> int:
        if self.learned:
            return len(self.coefficients)
        used = np.flatnonzero(np.any(self.coefficients.reshape(len(self.coefficients), -1), 1))
        return int(used[-1]) + 1 if used.size else 1

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        if self.coefficients.ndim == 2 and self.coefficients.shape[1] != self.features:
            raise ValueError(
                f"`coefficients` are for {self.coefficients.shape[1]} features: give as many, or "
                f"one response for all. {received('input_shape', tuple(input_shape))}"
            )
        self.kernel = None
        if self.learned:
            constant: Any = keras.initializers.Constant  # annotated as if for one number only
            self.kernel = self.add_weight(
                name="kernel",
                shape=self.coefficients.shape,
                initializer=constant(self.coefficients),
            )

    def _kernel(self) -> Array:
        """`(taps, features)`."""
        kernel: Array = self.coefficients if self.kernel is None else self.kernel
        kernel = ops.convert_to_tensor(kernel, self.compute_dtype)
        if self.coefficients.ndim == 1:
            kernel = ops.repeat(kernel[:, None], self.features, axis=1)
        return kernel

    def _from_seen(self, seen: Array, n: Any) -> Array:
        if isinstance(n, int) and n == 0:
            return seen[:, :0]
        kernel = ops.flip(self._kernel(), axis=0)[..., None]
        return depthwise_convolution(seen, kernel)

    def _from_taps(self, taps: Taps) -> Array:
        kernel, y = self._kernel(), cast(Array, 0)
        for begin in range(0, len(self.lags), CHUNK):
            lags = tuple(self.lags[begin : begin + CHUNK])
            y = y + ops.sum(taps(lags) * kernel[begin : begin + CHUNK], axis=2)
        return y

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "coefficients": self.coefficients.tolist(),
            "trainable": bool(self.learned and self.trainable),
        }
