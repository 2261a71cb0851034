"""Bugs of inference against training, randomness, or compilation."""

import functools

import keras
import numpy as np
from keras import layers, ops

from tests.contracts.bugs._table import Plain, bug, rnd


@bug("infer.deterministic", x=rnd(2, 8))
class TrainingIsTheDefault(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seeds = keras.random.SeedGenerator(1)

    def call(self, x, training=True):
        return x + keras.random.normal(ops.shape(x), dtype=x.dtype, seed=self.seeds) * training


@bug("infer.pure", x=rnd(4, 3))
class StatsMoveAtInference(Plain):
    def build(self, s):
        self.mean = self.add_weight(shape=(s[-1],), initializer="zeros", trainable=False)

    def call(self, x, training=False):
        self.mean.assign(0.9 * self.mean + 0.1 * ops.mean(x, 0))
        return x


@bug("infer.deterministic", x=rnd(4, 3))
class CountsCalls(Plain):
    def build(self, s):
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x):
        self.count.assign_add(1.0)
        return x * ops.cast(self.count, x.dtype)


@bug("mode.state_advances", x=rnd(4, 3), traits={"stateful": "train", "batch_coupled": "train"})
class MovingStatsStandStill(Plain):
    def build(self, s):
        self.mean = self.add_weight(shape=(s[-1],), initializer="zeros", trainable=False)

    def call(self, x, training=False):
        mean = ops.mean(x, 0) if training else self.mean
        return x - ops.cast(mean, x.dtype)


@bug("mode.eager_equals_graph", "compile.jit", x=rnd(2, 4))
class BranchesOnData(Plain):
    def call(self, x):
        if float(ops.max(x)) > 0:
            return x * 2
        return x


@bug("mode.eager_equals_graph", "state.no_python_mutation", x=rnd(2, 4))
class TogglesItself(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.flip = False

    def call(self, x):
        self.flip = not self.flip
        return x if self.flip else -x


@bug("random.fresh", x=rnd(4, 8), traits={"stochastic": "train"}, seed=7)
class IntSeedInCall(Plain):
    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed

    def call(self, x, training=False):
        return keras.random.dropout(x, 0.5, seed=self.seed) if training else x

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


@bug("random.fresh", x=rnd(4, 8))
class SamplingWithConstantSeed(Plain):
    def call(self, x):
        return x + keras.random.normal(ops.shape(x), dtype=x.dtype, seed=1337)


@bug("random.no_global_rng", x=rnd(4, 8))
class KerasGlobalSeed(Plain):
    def call(self, x, training=False):
        return x + keras.random.normal(ops.shape(x), dtype=x.dtype) if training else x


@bug("random.no_global_rng", x=rnd(4, 8))
class PythonRandom(Plain):
    def call(self, x, training=False):
        import random

        return x * (1.0 + random.random()) if training else x


@bug("compile.jit", "mode.eager_equals_graph", x=rnd(2, 4))
class NumpyInCall(Plain):
    def call(self, x):
        return ops.convert_to_tensor(np.sort(ops.convert_to_numpy(x), -1))


@bug("compile.jit", "shape.none_batch", x=rnd(3, 4))
class LoopsOverRows(Plain):
    def call(self, x):
        return ops.stack([row / (1 + ops.max(ops.abs(row))) for row in x])


@bug("random.fresh", x=rnd(4, 8), traits={"stochastic": "train"})
class FixedSeedDropout(Plain):
    def __init__(self, rate=0.5, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, x, training=False):
        return keras.random.dropout(x, self.rate, seed=42) if training else x


@bug("random.fresh", x=rnd(4, 8))
class NewGeneratorInCall(Plain):
    def call(self, x, training=False):
        if not training:
            return x
        return x + keras.random.normal(
            ops.shape(x), dtype=x.dtype, seed=keras.random.SeedGenerator(5)
        )


@bug("random.fresh", "random.no_global_rng", "random.fresh_when_compiled", x=rnd(4, 8))
class RngInCall(Plain):
    def call(self, x, training=False):
        if not training:
            return x
        return x + ops.convert_to_tensor(np.random.default_rng(0).normal(size=8), x.dtype)


@bug("random.fresh_when_compiled", "random.no_global_rng", x=rnd(4, 8))
class OsEntropy(Plain):
    def call(self, x, training=False):
        if not training:
            return x
        return x * ops.convert_to_tensor(np.random.default_rng().normal(size=8), x.dtype)


@bug("random.fresh_when_compiled", "random.no_global_rng", x=rnd(4, 8))
class TimeSeed(Plain):
    def call(self, x, training=False):
        import time

        if not training:
            return x
        return keras.random.dropout(x, 0.5, seed=int(time.perf_counter_ns() % 2**31))


@bug("random.no_global_rng", x=rnd(4, 8))
class SeedlessDropout(Plain):
    def call(self, x, training=False):
        return keras.random.dropout(x, 0.5) if training else x


@bug("random.fresh_when_compiled", "random.no_global_rng", "state.no_python_mutation", x=rnd(4, 8))
class OwnRng(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.rng = np.random.default_rng(0)

    def call(self, x, training=False):
        if not training:
            return x
        return x + ops.convert_to_tensor(self.rng.normal(size=8), x.dtype)


@bug("infer.deterministic", x=rnd(4, 8))
class DropoutTrainTrue(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.d = layers.Dropout(0.5)

    def call(self, x):
        return self.d(x, training=True)


@bug("infer.deterministic", "random.no_global_rng", x=rnd(4, 8))
class NoiseAlways(Plain):
    def call(self, x):
        return x + 0.1 * keras.random.normal(ops.shape(x), dtype=x.dtype)


@bug(
    "infer.deterministic",
    "infer.pure",
    x=rnd(4, 8),
    traits={"batch_coupled": "train", "stateful": "train"},
)
class BNTrainTrue(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.bn = layers.BatchNormalization()

    def build(self, s):
        self.bn.build(s)

    def call(self, x):
        return self.bn(x, training=True)


@bug("infer.pure", x=rnd(4, 3))
class EMAAlways(Plain):
    def build(self, s):
        self.m = self.add_weight(shape=(s[-1],), initializer="zeros", trainable=False)

    def call(self, x):
        self.m.assign(self.m * 0.9 + 0.1 * ops.mean(x, 0))
        return x * 1.0


@bug("mode.state_advances", x=rnd(4, 3), traits={"stateful": "train"})
class ForgotAssign(Plain):
    def build(self, s):
        self.m = self.add_weight(shape=(s[-1],), initializer="zeros", trainable=False)

    def call(self, x, training=False):
        if training:
            _ = self.m * 0.9 + 0.1 * ops.mean(x, 0)
        return x - ops.cast(self.m, x.dtype)


@bug("mode.eager_equals_graph", "compile.jit", x=rnd(2, 4))
class PyIf(Plain):
    def call(self, x):
        if ops.mean(x) > 0:
            return x
        return -x


@bug("mode.eager_equals_graph", "compile.jit", x=rnd(2, 4))
class WhileLoop(Plain):
    def call(self, x):
        while float(ops.max(ops.abs(x))) > 1:
            x = x / 2
        return x


@bug("compile.jit", x=rnd(3, 4))
class NpInside(Plain):
    def call(self, x):
        return (
            ops.convert_to_tensor(
                np.linalg.svd(np.asarray(ops.matmul(ops.transpose(x), x)))[1][None], x.dtype
            )
            + x
        )


@bug("mode.eager_equals_graph", x=rnd(3, 6, 4))
class KeepsWhatItTraced(Plain):
    """A tensor of a compiled call is used again in an eager one."""

    @functools.lru_cache  # noqa: B019
    def steps(self, count):
        return ops.cast(ops.arange(count), "float32")[None, :, None] * 0.1

    def call(self, x):
        return x + ops.cast(self.steps(x.shape[1]), x.dtype)
