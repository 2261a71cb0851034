"""The discrete wavelet transform, periodised."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from lamina._common import Array, Shape, positive_integer, received, register
from lamina.imaging._filter_bank import analysis, filter_bank, synthesis
from lamina.imaging._operator import MeasurementOperator


@register
class Wavelet(MeasurementOperator):
    """The periodised discrete wavelet transform of images or signals, and its inverse.

        a[k] = sum_j low[j] x[(2 k + L/2 - j) mod n]       d[k]: the same with the high-pass

    along each axis, and again on what both low-passes leave, `levels` times. It is PyWavelets'
    transform in its mode "periodization", in PyWavelets' structure.

    Args:
        wavelet: The name of a discrete wavelet that PyWavelets knows: "haar", "db4", "sym5",
            "bior2.2", ...
        levels: How often.
        inverse: From coefficients back.
        filters: The four filters of PyWavelets' `filter_bank`; found by the name where they are
            not given, which needs PyWavelets. A saved model brings them.

    Input shape:
        `(batch, height, width, channels)` or `(batch, time, channels)`, sizes that `2**levels`
        divides. With `inverse` what this layer gives.

    Output shape:
        `[approximation, (horizontal, vertical, diagonal), ..., finest]`; for signals
        `[approximation, detail, ..., finest]`.

    Raises:
        ValueError: for an unknown wavelet, or a size that `2**levels` does not divide.
        ImportError: where PyWavelets is needed and not installed.

    Example:
        >>> approximation, detail = Wavelet("haar", levels=1)(np.array([[[1.0], [3.0]]]))
        >>> [float(approximation[0, 0, 0]), float(detail[0, 0, 0])]
        [2.8284, -1.4142]

    Reference:
        Mallat, IEEE Trans. Pattern Anal. Mach. Intell. 11 (1989). The oracle is PyWavelets.
    """

    def __init__(
        self,
        wavelet: str,
        levels: int = 1,
        inverse: bool = False,
        filters: Sequence[Sequence[float]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.wavelet = wavelet
        self.levels = positive_integer("levels", levels, "how often to transform")
        self.inverse = bool(inverse)
        bank = filter_bank(wavelet) if filters is None else filters
        self.filters = [[float(tap) for tap in taps] for taps in bank]

    def build(self, input_shape: Any) -> None:
        if self.inverse:
            self.dimensions = len(tuple(input_shape[0])) - 2
        else:
            self.dimensions = len(tuple(input_shape)) - 2
            self._check_sizes(tuple(input_shape))
        self.built = True

    def _check_sizes(self, shape: Shape) -> None:
        sizes = shape[1:-1]
        if len(sizes) not in (1, 2) or any(n is None or n % 2**self.levels for n in sizes):
            raise ValueError(
                f"`inputs` of Wavelet {self.name!r} must have the shape (batch, height, width, "
                f"channels) or (batch, time, channels), with known sizes that {2**self.levels} "
                f"divides: pad them, or use fewer levels. {received('inputs.shape', shape)}"
            )

    def call(self, inputs: Any) -> Any:
        return self._composed(inputs) if self.inverse else self._decomposed(inputs)

    def apply_adjoint(self, inputs: Any) -> Any:
        return self._decomposed(inputs) if self.inverse else self._composed(inputs)

    def apply_normal(self, inputs: Any) -> Any:
        return self.apply_adjoint(self.call(inputs))  # a list of coefficients is one input

    def _pair(self) -> tuple[np.ndarray, np.ndarray]:
        """The two filters of the analysis that is run, or whose transpose is run."""
        bank = [np.asarray(taps) for taps in self.filters]
        # The inverse is the transpose of the analysis with the dual filters, reversed.
        return (bank[2][::-1], bank[3][::-1]) if self.inverse else (bank[0], bank[1])

    def _decomposed(self, x: Array) -> list[Any]:
        low, high = self._pair()
        details: list[Any] = []
        for _ in range(self.levels):
            if self.dimensions == 1:
                x, detail = analysis(x, low, high, axis=1)
            else:
                smooth, rough = analysis(x, low, high, axis=1)
                x, vertical = analysis(smooth, low, high, axis=2)
                # PyWavelets calls horizontal what is rough from row to row.
                horizontal, diagonal = analysis(rough, low, high, axis=2)
                detail = (horizontal, vertical, diagonal)
            details.insert(0, detail)
        return [x, *details]

    def _composed(self, coefficients: Any) -> Array:
        low, high = self._pair()
        x, *details = coefficients
        if len(details) != self.levels:
            raise ValueError(
                f"`inputs` of Wavelet {self.name!r} must be [approximation, details...] of "
                f"{self.levels} levels. {received('length', len(details) + 1)}"
            )
        for detail in details:
            if self.dimensions == 1:
                x = synthesis(x, detail, low, high, axis=1)
            else:
                horizontal, vertical, diagonal = detail
                smooth = synthesis(x, vertical, low, high, axis=2)
                rough = synthesis(horizontal, diagonal, low, high, axis=2)
                x = synthesis(smooth, rough, low, high, axis=1)
        return x

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self._image_shape(input_shape) if self.inverse else self._shapes(input_shape)

    def adjoint_shape(self, input_shape: Any) -> Any:
        return self._shapes(input_shape) if self.inverse else self._image_shape(input_shape)

    def _shapes(self, shape: Shape) -> list[Any]:
        shape = tuple(shape)
        self._check_sizes(shape)
        found: list[Any] = []
        for level in range(1, self.levels + 1):
            part = (shape[0], *(n // 2**level for n in shape[1:-1]), shape[-1])
            found.insert(0, part if len(shape) == 3 else (part, part, part))
        return [found[0] if len(shape) == 3 else found[0][0], *found]

    def _image_shape(self, shapes: Any) -> Shape:
        batch, *sizes, channels = tuple(shapes[0])
        return (batch, *(None if n is None else n * 2**self.levels for n in sizes), channels)

    def compute_output_spec(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        dtype = self.compute_dtype
        shapes = self.compute_output_shape(keras.tree.map_structure(lambda x: x.shape, inputs))
        return keras.tree.map_shape_structure(lambda s: keras.KerasTensor(s, dtype), shapes)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "wavelet": self.wavelet,
            "levels": self.levels,
            "inverse": self.inverse,
            "filters": self.filters,
        }
