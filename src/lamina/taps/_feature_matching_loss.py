"""The distance between a discriminator's feature maps of real and of generated data."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
from keras import ops

from lamina._common import Array, Tree, choice, received_text, register
from lamina.taps._maps import pairs, total


class _Style(NamedTuple):
    """What the papers differ in."""

    weight: float
    real_is_constant: bool
    last_too: bool
    n_layers: int | None  # the depth of its discriminator, by default
    maps_beyond: int  # how many maps more than `n_layers` that discriminator has


# The weights are those of the authors' code: lambda_feat, lambda_feat, and the 2 of `feature_loss`.
_STYLES = {
    "pix2pixhd": _Style(10.0, True, False, 3, 2),
    "melgan": _Style(10.0, True, False, 4, 3),
    "hifigan": _Style(2.0, False, True, None, 0),
}


@register
class FeatureMatchingLoss(keras.losses.Loss):
    """L1 distance between the feature maps of real and of generated data.

        "pix2pixhd", "melgan":
            weight * sum over discriminators and maps but the last of
                (1 / discriminators) * (4 / (n_layers + 1)) * mean |fake - stop_gradient(real)|
        "hifigan":
            weight * sum over discriminators and all maps of mean |fake - real|

    Args:
        style: Whose definition: `"pix2pixhd"` (default), `"melgan"` or `"hifigan"`.
        weight: Its factor; the paper's where it is None: 10, 10 and 2.
        n_layers: The depth that the paper's discriminator counts. None takes it from the number of
            maps, as there: that number less 2 (pix2pixHD) or less 3 (MelGAN).

    Call:
        `loss(real, fake)` with the maps of one discriminator as a list, tuple or dict in order, a
        list of these for several, or a single map, which counts as one that is not the last. So it
        serves in `compile(loss={key: FeatureMatchingLoss()})`, where each key is a map of its own
        (`n_layers` is then 3 or 4, as in the papers), and in `compute_loss`. Real and fake have the
        same shapes, any; the result is a scalar.

    Raises:
        ValueError: if `style` is none of these; if real and fake have different maps.

    Example:
        >>> loss = FeatureMatchingLoss("hifigan")
        >>> loss([np.zeros((1, 2)), np.zeros((1, 3))], [np.ones((1, 2)), np.ones((1, 3))])
        4.0

    Reference:
        Wang et al., pix2pixHD, arXiv:1711.11585, equation 4; Kumar et al., MelGAN,
        arXiv:1910.06711, equation 3; Kong et al., HiFi-GAN, arXiv:2010.05646, equation 6. The
        factors are those of the authors' code; the gradient through real data too.
    """

    def __init__(
        self,
        style: str = "pix2pixhd",
        weight: float | None = None,
        n_layers: int | None = None,
        name: str = "feature_matching",
        **kwargs: Any,
    ) -> None:
        style = choice("style", style.lower() if isinstance(style, str) else style, _STYLES)
        super().__init__(name=name, **kwargs)
        self.style = style
        self.weight = weight
        self.n_layers = n_layers

    def call(self, y_true: Tree, y_pred: Tree) -> Array:
        real, fake = _by_discriminator(y_true), _by_discriminator(y_pred)
        if len(real) != len(fake):
            came = received_text(f"{len(real)} as `y_true` and {len(fake)} as `y_pred`")
            raise ValueError(f"real and fake must come from the same discriminators. {came}")
        style = _STYLES[self.style]
        loss = total(self._distance(r, f, style) for r, f in zip(real, fake, strict=True))
        if style.n_layers is not None:
            loss = loss / len(real)
        return (style.weight if self.weight is None else self.weight) * loss

    def _distance(self, real: Tree, fake: Tree, style: _Style) -> Array:
        """The sum over the maps of one discriminator."""
        maps = pairs(real, fake)
        single = not isinstance(real, Mapping | list | tuple)
        counted = maps if style.last_too or single else maps[:-1]
        distance = total(_l1(r, f, style.real_is_constant) for _, r, f in counted)
        if style.n_layers is None:
            return distance
        n_layers = self.n_layers
        if n_layers is None:
            n_layers = style.n_layers if single else max(len(maps) - style.maps_beyond, 1)
        return distance * 4.0 / (n_layers + 1)

    def get_config(self) -> dict[str, Any]:
        own = {"style": self.style, "weight": self.weight, "n_layers": self.n_layers}
        return {**super().get_config(), **own}


def _by_discriminator(features: Tree) -> list[Tree]:
    """A list with the maps of each discriminator."""
    several = isinstance(features, list | tuple) and isinstance(features[0], Mapping | list | tuple)
    return list(features) if several else [features]


def _l1(real: Array, fake: Array, real_is_constant: bool) -> Array:
    if real_is_constant:
        real = ops.stop_gradient(real)
    return ops.mean(ops.abs(fake - real))
