"""Bugs of kinds found in the layers of other libraries: in training only, or without effect."""

import keras
import numpy as np
from keras import layers, ops

from tests.contracts.bugs._table import Plain, bug, rnd

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (3, 4, 2)).astype("uint8")
SHORTS = RNG.integers(-30000, 30000, (3, 6)).astype("int16")
IDS = RNG.integers(0, 3, (3, 5)).astype("int32")


class Draws(Plain):
    """Has seeds of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.draws = keras.random.SeedGenerator(1)


@bug("shape.any_batch", "shape.none_batch", x=rnd(4, 3), traits={"stochastic": "train"})
class KeepsTheFirstHalfInTraining(Draws):
    def call(self, x, training=False):
        if not training:
            return x
        return x * keras.random.uniform((4, 1), seed=self.draws, dtype=x.dtype)


@bug("shape.spec_matches_call", "shape.batch_axis", x=rnd(4, 3))
class ReturnsTheLossInTraining(Plain):
    def call(self, x, training=False):
        return ops.mean(x) if training else x


@bug("dtype.policy", x=rnd(3, 4), traits={"stochastic": "train"})
class Float32NoiseInTraining(Draws):
    def call(self, x, training=False):
        if not training:
            return x
        noise = keras.random.normal(ops.shape(x), seed=self.draws, dtype="float32")
        return ops.cast(x, "float32") + noise


@bug("trait.causal", x=rnd(2, 6, 3), traits={"causal": True})
class LooksAheadInTraining(Plain):
    def call(self, x, training=False):
        y = ops.cumsum(x, axis=1)
        return ops.flip(ops.cumsum(ops.flip(x, axis=1), axis=1), axis=1) if training else y


@bug("mask.invariance", x=rnd(3, 5, 2), traits={"mask": "propagate", "batch_coupled": "train"})
class PaddingInTheStatistics(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, x, mask=None, training=False):
        return x - ops.mean(x, axis=(0, 1), keepdims=True) if training else x


@bug("mask.all_masked", x=rnd(3, 5, 2), traits={"mask": "consume"})
class DividesByTheStepsKeptInTraining(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, x, mask=None, training=False):
        if mask is None:
            return ops.mean(x, axis=1)
        m = ops.cast(mask, x.dtype)[..., None]
        count = ops.sum(m, axis=1)
        return ops.sum(x * m, axis=1) / (count if training else ops.maximum(count, 1))

    def compute_mask(self, x, mask=None):
        return None


@bug("input.used", x={"a": rnd(3, 4), "b": rnd(3, 4)})
class ForgetsAKey(layers.Layer):
    def call(self, inputs):
        return inputs["a"] * 2


@bug("input.used", x=[rnd(3, 4), rnd(3, 4)])
class MultipliesByZero(layers.Layer):
    def call(self, x, y):
        return x + 0.0 * y


@bug("config.constructor_pure", x=rnd(3, 4), sizes={"a": 1, "b": 2})
class PopsItsArgument(Plain):
    def __init__(self, sizes, **kwargs):
        super().__init__(**kwargs)
        self.a, self.b = sizes.pop("a"), sizes["b"]

    def call(self, x):
        return x * self.a + self.b

    def get_config(self):
        return {**super().get_config(), "sizes": {"a": self.a, "b": self.b}}


@bug("config.constructor_pure", x=rnd(3, 4), table=np.arange(1.0, 5.0))
class NormalisesInPlace(Plain):
    def __init__(self, table, **kwargs):
        super().__init__(**kwargs)
        table = np.asarray(table)
        table /= table.sum()
        self.table = table.tolist()

    def call(self, x):
        return x * ops.convert_to_tensor(self.table, x.dtype)

    def get_config(self):
        return {**super().get_config(), "table": self.table}


@bug("dtype.integers", x=BYTES, traits={"int_range": (0, 256)})
class CentresBytes(Plain):
    def call(self, x):
        return ops.cast(x - ops.cast(128, x.dtype), self.compute_dtype)


@bug("dtype.integers", x=SHORTS)
class DoublesShorts(Plain):
    def call(self, x):
        return ops.cast(x * ops.cast(4, x.dtype), self.compute_dtype)


class Regularised(layers.Layer):
    """A child with a regularizer."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(3, kernel_regularizer="l2", dtype=self.dtype_policy)

    def build(self, s):
        self.dense.build(s)


@bug("loss.no_double", x=rnd(3, 4))
class AddsTheLossesOfItsChild(Regularised):
    def call(self, x):
        y = self.dense(x)
        self.add_loss(sum(self.dense.losses))
        return y


@bug("loss.no_double", x=rnd(3, 4))
class AddsItsActivityTwice(Plain):
    def call(self, x):
        self.add_loss(0.1 * ops.mean(ops.square(x)))
        self.add_loss(0.1 * ops.mean(ops.square(x)))
        return x


@bug("argument.used", x=rnd(3, 4), temperature=2.0)
class IgnoresItsTemperature(Plain):
    def __init__(self, temperature=1.0, **kwargs):
        super().__init__(**kwargs)
        self.temperature = temperature

    def call(self, x):
        scaled = x / self.temperature
        return ops.softmax(scaled * self.temperature * 0 + x, axis=-1)

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature}


@bug("random.per_row", x=rnd(4, 5, 3), traits={"stochastic": "train"})
class DropsChannelsOfTheBatch(Draws):
    def call(self, x, training=False):
        if not training:
            return x
        keep = keras.random.uniform((1, 1, x.shape[-1]), seed=self.draws, dtype=x.dtype) > 0.5
        return ops.where(keep, 2 * x, 0)


@bug("random.per_row", x=rnd(4, 5), traits={"stochastic": "train"})
class OneCoinForAll(Draws):
    def call(self, x, training=False):
        if not training:
            return x
        return ops.where(keras.random.uniform((), seed=self.draws) > 0.5, x, -x)
