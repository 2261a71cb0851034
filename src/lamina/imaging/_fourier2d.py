"""The two-dimensional Fourier transform of complex images."""

from typing import Any

from lamina._common import Array, Shape, register
from lamina.imaging._checks import complex_images
from lamina.imaging._complex import fourier, join, split
from lamina.imaging._operator import MeasurementOperator


@register
class Fourier2D(MeasurementOperator):
    """The orthonormal discrete Fourier transform of images.

        y[k, l] = 1/sqrt(h w) sum_ij x[i, j] exp(-2 pi i (k i / h + l j / w))

    with i, j, k, l counted from the centre, h // 2 and w // 2 (`centred=True`), or from 0. It is
    unitary: the adjoint is the inverse.

    Args:
        inverse: The inverse transform: the sign of the exponent is +.
        centred: Position 0 and frequency 0 stand in the middle, as in MRI: `fftshift(F(ifftshift(
            x)))` over both axes. False: at index 0.

    Input shape:
        `(batch, ..., height, width, 2)`: real and imaginary part. Height and width may be unknown.

    Output shape:
        As the input.

    Raises:
        ValueError: for an input that is not pairs of reals; for an export with unknown sizes (it
            is exported as products by the matrices of the transform, which every runtime has).

    Example:
        >>> k = Fourier2D()(np.array([[[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]]]))
        >>> k[0, :, :, 0]
        [[0.5, -0.5], [-0.5, 0.5]]

    Reference:
        Cooley and Tukey, Math. Comp. 19 (1965). The oracle is `numpy.fft`.
    """

    def __init__(self, inverse: bool = False, centred: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inverse = bool(inverse)
        self.centred = bool(centred)

    def build(self, input_shape: Shape) -> None:
        complex_images("inputs", input_shape, self)
        self.built = True

    def call(self, inputs: Array) -> Array:
        return join(fourier(split(inputs), self.inverse, self.centred))

    def apply_adjoint(self, inputs: Array) -> Array:
        return join(fourier(split(inputs), not self.inverse, self.centred))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)

    def adjoint_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "inverse": self.inverse, "centred": self.centred}
