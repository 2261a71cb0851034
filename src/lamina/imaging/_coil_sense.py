"""The measurement of parallel MRI: coil sensitivities, Fourier transform, undersampling."""

from typing import Any

import numpy as np
from keras import ops

from lamina._common import Array, Shape, is_exporting, received, register, to_numpy
from lamina._common._fast import complex_parts
from lamina._common._table import add_table, check_loaded, table_config
from lamina.imaging._checks import complex_images, listed, same_size
from lamina.imaging._complex import (
    Pair,
    conjugate,
    fourier,
    fourier_weighted,
    join,
    multiply,
    native,
    pair,
    split,
)
from lamina.imaging._operator import MeasurementOperator

_MEASURES = ("image", "coils", "mask")
_RETURNS = ("measured", "coils", "mask")


@register
class CoilSense(MeasurementOperator):
    """What several receive coils measure of an image, in undersampled k-space.

        y_c = M F (S_c x)                    x_adjoint = sum_c conj(S_c) F^H (M y_c)

    with the coil maps S_c, the centred orthonormal Fourier transform F and the mask M.

    Args:
        mask: `(height, width)`, 1 where k-space is measured, 0 elsewhere; the same for every
            sample. None: everything is measured, or the mask comes with the inputs.

    Input shape:
        `[image, coils]`: `(batch, height, width, 2)` and `(batch, coils, height, width, 2)`; or
        `[image, coils, mask]` with a mask `(batch, height, width)` for each sample.

    Output shape:
        `(batch, coils, height, width, 2)`. The adjoint takes `[measured, coils]` (and the mask)
        back to `(batch, height, width, 2)`.

    Raises:
        ValueError: for coil maps or masks of another size, or two masks.

    Example:
        >>> image, coils = np.ones((1, 4, 4, 2)), np.ones((1, 3, 4, 4, 2))
        >>> CoilSense()([image, coils]).shape
        (1, 3, 4, 4, 2)

    Reference:
        Pruessmann et al., SENSE, Magn. Reson. Med. 42 (1999), equation 1. The oracle is the dense
        matrix.
    """

    def __init__(self, mask: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask = None
        if mask is not None:
            self.mask = add_table(self, "mask", mask if isinstance(mask, dict) else _checked(mask))

    def build(self, input_shape: Any) -> None:
        self._check(input_shape, _MEASURES)
        self.built = True

    def _check(self, shapes: Any, names: tuple[str, ...]) -> None:
        """A ValueError unless the inputs fit one another."""
        first, coils, *masks = listed(shapes, names, optional=1, layer=self)
        coils = complex_images("coils", coils, self, rank=5)
        batch, _, height, width, _ = coils
        wanted = coils if names is _RETURNS else (batch, height, width, 2)
        complex_images(names[0], first, self, rank=len(wanted))
        same_size(names[0], tuple(first), wanted, self)
        if self.mask is not None:
            if masks:
                raise ValueError(
                    f"CoilSense {self.name!r} has a mask of its own; leave it out of the inputs, "
                    f"or out of the layer. {received('inputs', len(names), mask='given')}"
                )
            same_size("mask", tuple(self.mask.shape), (height, width), self)
        for mask in masks:
            same_size("mask", tuple(mask), (batch, height, width), self)

    def call(self, inputs: Any) -> Array:
        image, coils, mask = self._taken(inputs, _MEASURES)
        at_coils = multiply(tuple(part[:, None] for part in split(image)), split(coils))
        return join(_masked(fourier(at_coils), mask))

    def apply_adjoint(self, inputs: Any) -> Array:
        measured, coils, mask = self._taken(inputs, _RETURNS)
        at_coils = fourier(_masked(split(measured), mask), inverse=True)
        parts = multiply(conjugate(split(coils)), at_coils)
        return join(tuple(ops.sum(part, axis=1) for part in parts))

    def apply_normal(self, inputs: Any) -> Array:
        if is_exporting():
            return super().apply_normal(inputs)
        image, coils, mask = self._taken(inputs, _MEASURES)
        maps = native(split(coils))
        wide = complex_parts(maps)[0].dtype
        weights = None if mask is None else ops.square(ops.cast(mask, wide))
        at_coils = fourier_weighted(native(split(image))[:, None] * maps, weights)
        return join(pair(ops.sum(ops.conj(maps) * at_coils, axis=1), self.compute_dtype))

    def _taken(self, inputs: Any, names: tuple[str, ...]) -> tuple[Array, Array, Array | None]:
        """The inputs and the mask, which broadcasts over the coils."""
        self._check([tuple(x.shape) for x in inputs], names)
        first, coils, *masks = inputs
        if self.mask is not None:
            check_loaded(self, self.mask)
            return first, coils, ops.cast(self.mask, self.compute_dtype)
        if masks:
            return first, coils, ops.cast(masks[0], self.compute_dtype)[:, None]
        return first, coils, None

    def compute_output_shape(self, input_shape: Any) -> Shape:
        self._check(input_shape, _MEASURES)
        return tuple(input_shape[1])

    def adjoint_shape(self, input_shape: Any) -> Shape:
        self._check(input_shape, _RETURNS)
        batch, _, height, width, _ = input_shape[1]
        return (batch, height, width, 2)

    def get_config(self) -> dict[str, Any]:
        mask = None if self.mask is None else table_config(self.mask)
        return {**super().get_config(), "mask": mask}


def _masked(k: Pair, mask: Array | None) -> Pair:
    return k if mask is None else (k[0] * mask, k[1] * mask)


def _checked(mask: Any) -> np.ndarray:
    """A mask `(height, width)` of numbers from 0 to 1, or a ValueError."""
    values = np.asarray(mask if isinstance(mask, list | tuple) else to_numpy(mask))
    if values.dtype == bool:
        values = values.astype("uint8")
    if values.ndim != 2 or not ((values >= 0) & (values <= 1)).all():
        raise ValueError(
            "`mask` must have the shape (height, width): 1 where k-space is measured, 0 elsewhere. "
            f"{received('mask.shape', values.shape, dtype=values.dtype.name)}"
        )
    return values
