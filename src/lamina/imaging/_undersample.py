"""Undersampling of k-space: which lines of an acquisition are measured."""

from typing import Any

import keras
import numpy as np
from keras import ops

from lamina._common import Array, Shape, choice, integer, invalid, number, received, register
from lamina.imaging._checks import complex_images
from lamina.imaging._operator import MeasurementOperator

KINDS = ("equispaced", "random", "gaussian")
# The width of the Gaussian density, a sixth of k-space: three standard deviations to its edge.
_GAUSSIAN_WIDTH = 1 / 6


@register
class Undersample(MeasurementOperator):
    """Sets the lines of k-space to zero that an accelerated acquisition does not measure.

        y[..., l, :] = m[l] x[..., l, :],    m[l] in {0, 1}

    Lines lie along the width, as phase encoding does. Of `width` lines `round(width /
    acceleration)` are measured, the `centre` ones always: where they are follows from the kind,
    the seed and the width alone. It is its own adjoint.

    Args:
        kind: "equispaced": beside the centre every a-th line from a random first one, a being such
            that the number is right; "random": lines outside the centre drawn uniformly;
            "gaussian": drawn by a density that falls off from the centre.
        acceleration: Lines divided by measured lines, at least 1.
        centre: How many lines in the middle are always measured: a share below 1 (fastMRI's
            `center_fraction`), or a number of lines.
        seed: Of what is drawn.

    Input shape:
        `(batch, ..., height, width, 2)`: centred k-space. The width must be known.

    Output shape:
        As the input.

    Raises:
        ValueError: for another kind, an acceleration below 1, or a centre that has more lines than
            are measured.

    Example:
        >>> layer = Undersample("equispaced", acceleration=4, centre=2)
        >>> int(layer.mask(16).sum())
        4

    Reference:
        Zbontar et al., fastMRI, arXiv:1811.08839 (2018), section 4.9: random and equispaced masks
        with a fully sampled centre. There the number of random lines is itself random; here it is
        not.
    """

    def __init__(
        self,
        kind: str = "equispaced",
        acceleration: float = 4,
        centre: float = 0.08,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kind = choice("kind", kind, KINDS)
        self.acceleration = number("acceleration", acceleration, "lines by measured lines", low=1)
        self.centre = number("centre", centre, "a share of the lines, or their number", low=0)
        if self.centre >= 1 and self.centre != int(self.centre):
            raise invalid("centre", "a share below 1, or a whole number of lines", centre)
        self.seed = integer("seed", seed, "the seed of what is drawn", low=0)

    def mask(self, width: int, seed: int | None = None) -> np.ndarray:
        """The measured lines among `width`, as a float64 array of 0 and 1.

        `seed`: another one than the layer's, for a mask that changes from sample to sample.
        """
        count = round(width / self.acceleration)
        centre = self.centre_lines(width)
        if not centre <= count:
            raise ValueError(
                f"`centre` takes {centre} of {width} lines, more than the {count} that an "
                f"acceleration of {self.acceleration:g} measures. Choose a smaller centre or "
                f"acceleration. {received('centre', self.centre)}"
            )
        mask = np.zeros(width)
        first = (width - centre + 1) // 2  # where fastMRI puts it
        mask[first : first + centre] = 1
        rng = np.random.default_rng((self.seed if seed is None else seed, width))
        mask[self._drawn(np.flatnonzero(mask == 0), count - centre, width, rng)] = 1
        return mask

    def centre_lines(self, width: int) -> int:
        """How many lines in the middle of `width` are always measured."""
        return round(width * self.centre) if self.centre < 1 else int(self.centre)

    def _drawn(
        self, others: np.ndarray, count: int, width: int, rng: np.random.Generator
    ) -> np.ndarray:
        """`count` of the lines outside the centre."""
        if count == 0:
            return others[:0]
        if self.kind == "equispaced":
            # Equal steps over what is not measured yet: the steps are no integers in general.
            places = (rng.random() + np.arange(count)) * len(others) / count
            return others[places.astype(int)]
        density = np.ones(len(others))
        if self.kind == "gaussian":
            distance = (others - (width - 1) / 2) / (width * _GAUSSIAN_WIDTH)
            # Every line keeps a chance, else a small acceleration could not be met.
            density = np.exp(-(distance**2) / 2) + 1e-6
        return rng.choice(others, count, replace=False, p=density / density.sum())

    def build(self, input_shape: Shape) -> None:
        complex_images("inputs", input_shape, self)
        width = input_shape[-2]
        if width is None:
            raise ValueError(
                f"`inputs` of Undersample {self.name!r} must have a known width: give the Input "
                f"one. {received('inputs.shape', tuple(input_shape))}"
            )
        self._mask = self.mask(width)
        self.built = True

    def call(self, inputs: Array) -> Array:
        return ops.where(self._lines(inputs) > 0, inputs, ops.zeros_like(inputs))

    def apply_adjoint(self, inputs: Array) -> Array:
        return self.call(inputs)

    def consistent(self, k: Array, measured: Array, weight: float | Array = 0.0) -> Array:
        """`k` with its measured lines replaced: `k + M (measured - k) / (1 + weight)`.

        `weight` 0: hard, what was measured stands; above 0: soft, `weight` says how much the
        estimate `k` is trusted beside one measurement.
        """
        lines = self._lines(k)
        return k + lines * (measured - k) / ops.cast(1 + weight, self.compute_dtype)

    def _lines(self, like: Array) -> Array:
        lines: Array = ops.convert_to_tensor(
            self._mask, keras.backend.standardize_dtype(like.dtype)
        )
        return lines[:, None]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)

    def adjoint_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "kind": self.kind,
            "acceleration": self.acceleration,
            "centre": self.centre,
            "seed": self.seed,
        }
