"""A generator and a discriminator that train each other under `fit`."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops, random

from lamina._common import Array, Tree, choice, invalid, register, replicas
from lamina.taps._build import build_inner, compile_from_config, symbolic, symbols
from lamina.taps._capture import capture
from lamina.taps._feature_matching_loss import FeatureMatchingLoss
from lamina.taps._input_gradient import input_gradient
from lamina.taps._maps import total
from lamina.taps._state import frozen, read_once
from lamina.taps._tap import Tap, taps_config, taps_from_config

_flat = keras.tree.flatten

# name: (loss of a real score, of a generated score, of a generated score for the generator)
_LOSSES: dict[str, tuple[Callable, Callable, Callable]] = {
    "non_saturating": (lambda s: ops.softplus(-s), ops.softplus, lambda s: ops.softplus(-s)),
    "hinge": (lambda s: ops.relu(1 - s), lambda s: ops.relu(1 + s), lambda s: -s),
    "least_squares": (
        lambda s: ops.square(s - 1) * 0.5,
        lambda s: ops.square(s) * 0.5,
        lambda s: ops.square(s - 1) * 0.5,
    ),
    "wasserstein": (lambda s: -s, lambda s: s, lambda s: -s),
}


@register
class Adversarial(keras.Model):
    """A generator trained against a discriminator, as one Keras model.

        discriminator's loss:  mean l_real(D(real)) + mean l_fake(D(stop_gradient(G(x))))
                               + r1 / 2 * mean |dD/d real|^2
                               + gradient_penalty * mean (|dD/d mixed| - 1)^2
        generator's loss:      mean l_gen(D(G(x))), D constant, + feature matching

    Both are summed and minimised together: each moves its own network only, the other by exactly
    0. The model's output is the generator's, so `predict` generates.

    Limits: the two are updated at the same time, from the same weights; there are no alternating or
    repeated updates of one of them. There is one optimizer; `learning_rate_ratio` sets how much
    faster the discriminator learns. The statistics of the discriminator's BatchNormalization come
    from its calls on real and on detached generated data; what its call for the generator's loss
    and the penalties would update is dropped.

    Args:
        generator: A built or unbuilt model: noise, or what it translates, to data.
        discriminator: A model from data to scores before any sigmoid: one tensor, or several.
        loss: `"non_saturating"` (default), `"hinge"`, `"least_squares"` or `"wasserstein"`.
        latent_dim: Give the generator so many numbers of normal noise for each row of the data.
            None: it gets `x` itself.
        learning_rate_ratio: The discriminator's learning rate over the generator's.
        r1: Weight of the R1 penalty on real data.
        gradient_penalty: Weight of the two-sided penalty between real and generated data.
        taps: Taps on the discriminator for feature matching.
        feature_matching: A `FeatureMatchingLoss` for these taps; None: `"pix2pixhd"`.

    Training:
        `fit(real)` with `latent_dim` or for an autoencoder; `fit(x, real)` where the generator
        translates `x`. A `loss` in `compile` compares the generator's output with `real` and is
        added: `compile("adam")`, `compile("adam", loss="mae")`.

    Input shape:
        The generator's; with `latent_dim` anything whose first axis is the batch.

    Output shape:
        The generator's.

    Raises:
        ValueError: for an unknown loss, a negative weight, taps that lead nowhere.

    Example:
        >>> generator = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> discriminator = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> gan = Adversarial(generator, discriminator, latent_dim=4, r1=1.0)
        >>> gan.compile("adam")
        >>> history = gan.fit(np.ones((8, 2)), verbose=0)
        >>> tuple(gan.predict(np.ones((3, 2)), verbose=0).shape)
        (3, 2)

    Reference:
        Goodfellow et al., arXiv:1406.2661; Lim and Ye, arXiv:1705.02894 (hinge); Mao et al.,
        arXiv:1611.04076 (least squares); Gulrajani et al., arXiv:1704.00028 (gradient penalty);
        Mescheder et al., arXiv:1801.04406 (R1).
    """

    def __init__(
        self,
        generator: keras.layers.Layer,
        discriminator: keras.layers.Layer,
        loss: str = "non_saturating",
        latent_dim: int | None = None,
        learning_rate_ratio: float = 1.0,
        r1: float = 0.0,
        gradient_penalty: float = 0.0,
        taps: Any = (),
        feature_matching: keras.losses.Loss | None = None,
        **kwargs: Any,
    ) -> None:
        choice("loss", loss, _LOSSES)
        weights = dict(
            learning_rate_ratio=learning_rate_ratio, r1=r1, gradient_penalty=gradient_penalty
        )
        for name, value in weights.items():
            if value < 0:
                raise invalid(name, "0 or more", value)
        # No autocast: the two networks cast for themselves, and are frozen in full precision.
        super().__init__(autocast=False, **kwargs)
        self.generator, self.discriminator = generator, discriminator
        self.adversarial_loss = loss
        self.latent_dim = latent_dim
        self.learning_rate_ratio = learning_rate_ratio
        self.r1, self.gradient_penalty = r1, gradient_penalty
        self.feature_matching = feature_matching or FeatureMatchingLoss()
        self._taps = taps_config(discriminator, taps)
        self._seeds = random.SeedGenerator()
        self.generator_loss = keras.metrics.Mean("generator_loss")
        self.discriminator_loss = keras.metrics.Mean("discriminator_loss")

    @property
    def taps(self) -> dict[str, Tap]:
        """`{key: Tap}` on the discriminator."""
        return taps_from_config(self._taps)

    def compile(self, optimizer: Any = "rmsprop", loss: Any = None, **kwargs: Any) -> None:
        super().compile(optimizer, loss, **kwargs)
        if self.learning_rate_ratio != 1:
            _scale_updates(self.optimizer, self.discriminator, self.learning_rate_ratio)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        compile_from_config(self, config)

    def build(self, input_shape: Tree) -> None:
        rows = input_shape[0] if isinstance(input_shape, tuple | list) else None
        fed = input_shape if self.latent_dim is None else (rows, self.latent_dim)
        build_inner(self.generator, fed)
        data = symbolic(self.generator, symbols(fed, self.generator.compute_dtype))
        build_inner(self.discriminator, tuple(data.shape))

    def call(self, inputs: Tree, training: bool | None = None) -> Tree:
        if self.latent_dim is not None:
            rows = ops.shape(_flat(inputs)[0])[0]
            inputs = random.normal((rows, self.latent_dim), seed=self._seeds)
        return self.generator(inputs, training=training)

    def play(self, real: Array, fake: Array, training: bool = True) -> dict[str, Array]:
        """The two losses of one step: `{"generator": ..., "discriminator": ...}`."""
        with read_once(self.discriminator):
            discriminator, real_maps = self._discriminate(real, ops.stop_gradient(fake), training)
            generator = self._fool(fake, real_maps, training)
        return {"generator": generator, "discriminator": discriminator}

    def _discriminate(self, real: Array, fake: Array, training: bool) -> tuple[Array, dict]:
        """The discriminator's loss, and the feature maps of real data at its taps."""
        of_real, of_fake, _ = _LOSSES[self.adversarial_loss]
        with capture(self.discriminator, self.taps) as maps:
            real_score = self.discriminator(real, training=training)
        fake_score = self.discriminator(fake, training=training)
        loss = _mean(of_real, real_score) + _mean(of_fake, fake_score)
        return loss + self._penalties(real, fake, training), maps

    def _fool(self, fake: Array, real_maps: dict, training: bool) -> Array:
        """The generator's loss."""
        _, _, for_generator = _LOSSES[self.adversarial_loss]
        with frozen(self.discriminator), capture(self.discriminator, self.taps) as fake_maps:
            loss = _mean(for_generator, self.discriminator(fake, training=training))
        if self.taps:
            wanted = keras.tree.map_structure(ops.stop_gradient, dict(real_maps))
            loss += ops.cast(self.feature_matching(wanted, dict(fake_maps)), loss.dtype)
        return loss

    def compute_loss(
        self,
        x: Tree = None,
        y: Tree = None,
        y_pred: Tree = None,
        sample_weight: Tree = None,
        training: bool = True,
    ) -> Array:
        real = ops.convert_to_tensor(x if y is None else y)
        losses = self.play(real, y_pred, training)
        self.generator_loss.update_state(losses["generator"])
        self.discriminator_loss.update_state(losses["discriminator"])
        loss = (losses["generator"] + losses["discriminator"]) / replicas()
        if self.loss is not None or self.losses:
            loss += super().compute_loss(x, real, y_pred, sample_weight, training)
        return loss

    def _penalties(self, real: Array, fake: Array, training: bool) -> Array:
        def score(x: Array) -> Array:
            return total(map(ops.sum, _flat(self.discriminator(x, training=training))))

        penalty = 0.0
        if self.r1:
            penalty += ops.mean(_squared_slope(score, real)) * (0.5 * self.r1)
        if self.gradient_penalty:
            rows = (ops.shape(real)[0], *[1] * (len(real.shape) - 1))
            share = random.uniform(rows, dtype=real.dtype, seed=self._seeds)
            # Under mixed precision the generated half is the narrower one.
            mixed = share * real + (1 - share) * ops.cast(fake, real.dtype)
            off = _safe_sqrt(_squared_slope(score, mixed)) - 1
            penalty += ops.mean(ops.square(off)) * self.gradient_penalty
        return penalty

    def get_config(self) -> dict[str, Any]:
        pack = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "generator": pack(self.generator),
            "discriminator": pack(self.discriminator),
            "loss": self.adversarial_loss,
            "latent_dim": self.latent_dim,
            "learning_rate_ratio": self.learning_rate_ratio,
            "r1": self.r1,
            "gradient_penalty": self.gradient_penalty,
            "taps": dict(self._taps),
            "feature_matching": pack(self.feature_matching),
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> "Adversarial":
        config = {**config, "taps": taps_from_config(config["taps"])}
        for name in ("generator", "discriminator", "feature_matching"):
            config[name] = keras.saving.deserialize_keras_object(config[name], custom_objects)
        return cls(**config)


def _mean(loss: Callable, scores: Tree) -> Array:
    """The mean loss of each tensor of scores, summed; in float32 at least."""
    wide = (ops.cast(s, keras.backend.result_type(s.dtype, "float32")) for s in _flat(scores))
    return total(ops.mean(loss(score)) for score in wide)


def _squared_slope(score: Callable, x: Array) -> Array:
    """|d score / d x|^2 for each row."""
    return ops.sum(ops.square(input_gradient(score, x)), axis=tuple(range(1, len(x.shape))))


def _safe_sqrt(x: Array) -> Array:
    """The square root, with a gradient of 0 at 0 instead of an infinite one."""
    positive = x > 0
    return ops.where(positive, ops.sqrt(ops.where(positive, x, 1)), 0)


def _scale_updates(optimizer: Any, layer: keras.layers.Layer, ratio: float) -> None:
    """Let `optimizer` move the weights of `layer` by `ratio` times its step.

    The step itself is scaled, not the gradient: Adam and its kind would not notice the latter.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    apply = type(inner).apply.__get__(inner)  # not the one set by an earlier `compile`

    def scaled(grads: Any, trainable_variables: Any = None) -> None:
        before = [ops.copy(v) for v in layer.trainable_variables]
        apply(grads, trainable_variables)
        for variable, old in zip(layer.trainable_variables, before, strict=True):
            variable.assign(old + ratio * (variable - old))

    inner.apply = scaled
