"""The distance between the textures of two images."""

from typing import Any, Literal

import keras
from keras import ops

from lamina._common import Array, Tree, choice, received, register
from lamina.taps._maps import as_maps, pairs, total


@register
class GramLoss(keras.losses.Loss):
    """Squared distance of the Gram matrices of feature maps: which features go together.

        G = F^T F / (positions * channels),   F: (positions, channels)
        loss = sum over maps of |G_fake - G_real|^2    (squared Frobenius norm)

    Args:
        data_format: `"channels_last"` or `"channels_first"`; None: the Keras setting.

    Call:
        `loss(real, fake)` with one map `(batch, ..., channels)`, or a list or dict of them. A value
        for each row of the batch, reduced as in every Keras loss. Real and fake may differ in size:
        only their channels must agree.

    Raises:
        ValueError: if real and fake have different maps, or a map has no channel axis.

    Example:
        >>> GramLoss()(np.zeros((1, 2, 3)), np.ones((1, 2, 3)))
        1.0

    Reference:
        Johnson et al., Perceptual losses, arXiv:1603.08155, equations 3 and 4, after Gatys et al.,
        arXiv:1508.06576.
    """

    def __init__(
        self,
        data_format: Literal["channels_last", "channels_first"] | None = None,
        name: str = "gram",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        given = data_format or keras.config.image_data_format()
        self.data_format = choice("data_format", given, ("channels_last", "channels_first"))

    def call(self, y_true: Tree, y_pred: Tree) -> Array:
        grams = [{k: self._gram(x) for k, x in as_maps(maps).items()} for maps in (y_true, y_pred)]
        squares = (ops.square(fake - real) for _, real, fake in pairs(*grams))
        return total(ops.sum(square, axis=(1, 2)) for square in squares)

    def _gram(self, x: Array) -> Array:
        if len(x.shape) < 3:
            raise ValueError(
                "a feature map must be `(batch, positions..., channels)`. "
                f"{received('shape', tuple(x.shape))}"
            )
        if self.data_format == "channels_first":
            x = ops.moveaxis(x, 1, -1)
        shape = ops.shape(x)
        x = ops.reshape(x, (shape[0], -1, shape[-1]))
        size = ops.cast(ops.shape(x)[1] * shape[-1], x.dtype)
        return ops.matmul(ops.transpose(x, (0, 2, 1)), x) / size

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}
