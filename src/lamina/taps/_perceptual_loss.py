"""The distance between two images in the feature maps of a network."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from lamina._common import Array, received, register
from lamina.taps._maps import as_maps, pairs, total


@register
class PerceptualLoss(keras.losses.Loss):
    """Squared distance of the unit-length features of a network, as LPIPS has it.

        loss = sum over maps l of  mean over positions of  sum over channels c of
                   w_l[c] * (f_l(real)[c] / |f_l(real)| - f_l(fake)[c] / |f_l(fake)|)^2

    Args:
        extractor: A model from images to feature maps: a `Tapped` model, whose taps are used (not
            its `"output"`), or one that returns a list, dict or single map, channels last. It gets
            the images as they are: its own preprocessing belongs inside it. It is a constant here:
            add no reference to it to the model, and it is not trained.
        weights: `{key: one non-negative weight per channel}`, or a list of them in the order of
            the maps; LPIPS has learnt them on human judgements. None: 1 for every channel.

    Call:
        `loss(real, fake)` with two batches of images, in the shape that the extractor takes. A
        value for each row, reduced as in every Keras loss.

    Raises:
        TypeError: if `extractor` cannot be called.
        ValueError: if `weights` do not fit the maps.

    Example:
        >>> images = np.array([[[[1.0, 0.0]]]]), np.array([[[[0.0, 2.0]]]])
        >>> PerceptualLoss(keras.layers.Identity())(*images)
        2.0

    Reference:
        Zhang et al., LPIPS, arXiv:1801.03924, equation 1.
    """

    def __init__(
        self, extractor: Callable, weights: Any = None, name: str = "perceptual", **kwargs: Any
    ) -> None:
        if not callable(extractor):
            raise TypeError(
                f"`extractor` must be a Keras model. {received('extractor', extractor)}"
            )
        super().__init__(name=name, **kwargs)
        self.extractor = extractor
        if weights is not None:
            weights = {key: np.asarray(w, "float32") for key, w in as_maps(weights).items()}
            if any((w < 0).any() for w in weights.values()):
                raise ValueError("`weights` must not be negative: then it is no distance.")
        self.weights = weights

    def call(self, y_true: Array, y_pred: Array) -> Array:
        maps = pairs(self._features(ops.stop_gradient(y_true)), self._features(y_pred))
        if self.weights is not None and self.weights.keys() != {key for key, *_ in maps}:
            raise ValueError(
                f"`weights` must be given for every map: {[key for key, *_ in maps]}. "
                + received("weights", list(self.weights))
            )
        return total(self._distance(*pair) for pair in maps)

    def _features(self, images: Array) -> dict[Any, Array]:
        maps = as_maps(self.extractor(images, training=False))
        if len(maps) > 1:
            maps.pop("output", None)
        return maps

    def _distance(self, key: Any, real: Array, fake: Array) -> Array:
        difference = ops.square(_unit(real) - _unit(fake))
        if self.weights is not None:
            weights = self.weights[key]
            if weights.shape != (real.shape[-1],):
                raise ValueError(
                    f"`weights` of `{key}` must be one per channel, {real.shape[-1]}. "
                    f"{received('shape', weights.shape)}"
                )
            difference = difference * ops.cast(weights, difference.dtype)
        axes = tuple(range(1, len(real.shape) - 1))
        return ops.mean(ops.sum(difference, axis=-1), axis=axes)

    def get_config(self) -> dict[str, Any]:
        weights = self.weights and {key: w.tolist() for key, w in self.weights.items()}
        extractor = keras.saving.serialize_keras_object(self.extractor)
        return {**super().get_config(), "extractor": extractor, "weights": weights}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "PerceptualLoss":
        extractor = keras.saving.deserialize_keras_object(config["extractor"])
        weights = config["weights"]
        if weights is not None:  # JSON makes the indices of a list strings
            weights = {int(k) if k.isdecimal() else k: w for k, w in weights.items()}
        return cls(**{**config, "extractor": extractor, "weights": weights})


def _unit(x: Array) -> Array:
    """`x` with channels of unit length; a zero stays zero, with a finite gradient."""
    square = ops.sum(ops.square(x), axis=-1, keepdims=True)
    empty = square == 0
    return ops.where(empty, ops.zeros_like(x), x * ops.rsqrt(ops.where(empty, 1.0, square)))
