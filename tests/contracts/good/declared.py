"""Correct layers that are random, stateful, coupled and the like, and say so."""

import keras
import numpy as np
from keras import layers, ops

from tests.contracts.good._table import Plain, good, rnd

IDS = np.random.default_rng(0).integers(0, 7, (3, 5)).astype("int32")


@good(rnd(6, 4), {"stochastic": "train"}, rate=0.5)
class StochasticDepth(Plain):
    def __init__(self, rate=0.5, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.rate, self.seed = rate, seed
        self.seeds = keras.random.SeedGenerator(seed)

    def call(self, x, training=False):
        if not training:
            return x
        shape = (ops.shape(x)[0],) + (1,) * (len(x.shape) - 1)
        keep = keras.random.uniform(shape, dtype=x.dtype, seed=self.seeds) >= self.rate
        return ops.where(keep, x / (1 - self.rate), 0.0)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


@good(rnd(4, 3), {"stateful": "train"}, units=4)
class PowerIteration(layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, s):
        self.w = self.add_weight(shape=(s[-1], self.units), name="w")
        self.u = self.add_weight(
            shape=(1, self.units), initializer="random_normal", trainable=False, name="u"
        )

    def call(self, x, training=False):
        w, u = ops.cast(self.w, "float32"), ops.cast(self.u, "float32")
        v = ops.matmul(u, ops.transpose(w))
        v = v / (ops.norm(v) + 1e-6)
        new = ops.matmul(v, w)
        new = ops.stop_gradient(new / (ops.norm(new) + 1e-6))
        if training:
            self.u.assign(new)
        sigma = ops.sum(ops.matmul(ops.stop_gradient(v), w) * new)
        return ops.matmul(x, ops.cast(w / (sigma + 1e-6), x.dtype))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@good(
    rnd(4, 6),
    {"stochastic": "train", "surrogate_gradient": True},
)
class GumbelStraightThrough(Plain):
    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed, self.seeds = seed, keras.random.SeedGenerator(seed)

    def call(self, x, training=False):
        if training:
            u = keras.random.uniform(ops.shape(x), 1e-3, 0.999, dtype=x.dtype, seed=self.seeds)
            x = x - ops.log(-ops.log(u))
        soft = ops.softmax(x)
        hard = ops.one_hot(ops.argmax(soft, -1), x.shape[-1], dtype=x.dtype)
        return soft + ops.stop_gradient(hard - soft)

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


@good(rnd(3, 4), {"output_dtype": "int32", "differentiable": False})
class ArgMax(layers.Layer):
    def call(self, x):
        return ops.cast(ops.argmax(x, -1), "int32")

    def compute_output_shape(self, s):
        return s[:-1]


@good(np.abs(rnd(3, 4)) + 0.5, {"domain": (1e-3, None)})
class Logarithm(Plain):
    def call(self, x):
        return ops.log(x)


@good(rnd(4, 3), {"batch_coupled": "always"})
class PairwiseDistance(layers.Layer):
    def call(self, x):
        return ops.sum(ops.square(x[:, None] - x[None]), -1)


@good(rnd(2, 8, 3), {"batch_axes_out": "merged"})
class Patches(layers.Layer):
    def call(self, x):
        return ops.reshape(x, (-1, 4, x.shape[-1]))

    def compute_output_shape(self, s):
        return (None if s[0] is None else 2 * s[0], 4, s[-1])


@good(rnd(4, 3), {"stateful": "always"})
class RunningMean(Plain):
    def build(self, s):
        self.mean = self.add_weight(shape=(s[-1],), initializer="zeros", trainable=False)

    def call(self, x):
        # Before the assignment: on PyTorch it writes into the tensor that `cast` may have returned.
        y = x - ops.cast(self.mean, x.dtype)
        self.mean.assign(0.9 * self.mean + 0.1 * ops.cast(ops.mean(x, 0), self.mean.dtype))
        return y


@good(rnd(2, 3), {"stateful": "always", "fixed_batch": True})
class StatePerRow(Plain):
    def build(self, s):
        self.state = self.add_weight(shape=s, initializer="zeros", trainable=False)

    def call(self, x):
        new = 0.5 * ops.cast(self.state, x.dtype) + x
        self.state.assign(new)
        return new


@good(rnd(3, 6), {"surrogate_gradient": True}, levels=5)
class Quantizer(Plain):
    def __init__(self, levels, **kwargs):
        super().__init__(**kwargs)
        self.levels = levels

    def call(self, x):
        y = ops.tanh(x) * (self.levels - 1) / 2
        return y + ops.stop_gradient(ops.round(y) - y)

    def get_config(self):
        return {**super().get_config(), "levels": self.levels}


@good(rnd(3, 4), {"stateful": "train"})
class StepCounter(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.steps = self.add_weight(
            shape=(), initializer="zeros", dtype="int32", trainable=False, name="steps"
        )

    def call(self, x, training=False):
        if training:
            self.steps.assign_add(1)
            return x * ops.cast(1.0 / (1.0 + ops.cast(self.steps, "float32")), x.dtype)
        return x


@good(rnd(3, 4), {"stochastic": "always"})
class MonteCarloDropout(Plain):
    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed, self.seeds = seed, keras.random.SeedGenerator(seed)

    def call(self, x):
        return keras.random.dropout(x, 0.5, seed=self.seeds)

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


@good(rnd(4, 3), {"surrogate_gradient": True, "stateful": "train", "batch_coupled": "train"}, n=5)
class MovingCodebook(Plain):
    """Vector quantisation with a codebook that follows its inputs, not a gradient."""

    def __init__(self, n, **kwargs):
        super().__init__(**kwargs)
        self.n = n

    def build(self, s):
        self.code = self.add_weight(
            shape=(self.n, s[-1]), initializer="random_normal", trainable=False, name="code"
        )

    def call(self, x, training=False):
        code = ops.cast(self.code, "float32")
        y = ops.cast(x, "float32")
        near = ops.argmin(ops.sum(ops.square(y[:, None] - code), -1), -1)
        hot = ops.one_hot(near, self.n)
        if training:
            total = ops.matmul(ops.transpose(hot), y)
            count = ops.sum(hot, 0)[:, None]
            self.code.assign(0.9 * code + 0.1 * ops.where(count > 0, total / (count + 1e-3), code))
        q = ops.cast(ops.matmul(hot, code), x.dtype)
        self.add_loss(0.25 * ops.mean(ops.square(x - ops.stop_gradient(q))))
        return x + ops.stop_gradient(q - x)

    def get_config(self):
        return {**super().get_config(), "n": self.n}


@good(rnd(4, 4), {"batch_coupled": "train", "stochastic": "train"})
class MixRows(Plain):
    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed, self.seeds = seed, keras.random.SeedGenerator(seed)

    def call(self, x, training=False):
        if not training:
            return x
        a = keras.random.uniform((ops.shape(x)[0], 1), dtype=x.dtype, seed=self.seeds)
        return a * x + (1 - a) * ops.flip(x, 0)

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


@good(rnd(4, 3), {"batch_coupled": "train"})
class MinibatchStdTrain(layers.Layer):
    def call(self, x, training=False):
        s = ops.mean(ops.sqrt(ops.var(x, axis=0) + 1e-3)) if training else ops.cast(0.5, x.dtype)
        return ops.concatenate([x, ops.broadcast_to(s, (ops.shape(x)[0], 1))], -1)

    def compute_output_shape(self, s):
        return (*s[:-1], s[-1] + 1)


@good(rnd(3, 4), {"surrogate_gradient": True})
class GradReverse(Plain):
    def call(self, x):
        return ops.stop_gradient(2 * x) - x


@good(rnd(3, 4), {"output_dtype": "float32"})
class SoftmaxF32(Plain):
    def call(self, x):
        return ops.softmax(ops.cast(x, "float32"))


@good(rnd(4, 6), {"stochastic": "train"}, rate=0.3)
class DropWithChild(Plain):
    def __init__(self, rate, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.drop = layers.Dropout(rate, dtype=self.dtype_policy)

    def call(self, x, training=None):
        return self.drop(x, training=training)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}


@good(rnd(4, 3), {"stateful": "train", "batch_coupled": "train"})
class BNF32(Plain):
    """moving statistics in float32 whatever the policy"""

    def build(self, s):
        self.mean = self.add_weight(
            shape=(s[-1],),
            initializer="zeros",
            trainable=False,
            dtype="float32",
            autocast=False,
            name="m",
        )

    def call(self, x, training=False):
        y = ops.cast(x, "float32")
        if training:
            m = ops.mean(y, 0)
            self.mean.assign(0.9 * self.mean + 0.1 * m)
        else:
            m = ops.convert_to_tensor(self.mean)
        return ops.cast(y - m, x.dtype)


@good(rnd(4, 6), {"batch_coupled": "always"})
class InBatchSoftmax(Plain):
    def call(self, x):
        return ops.softmax(x, axis=0)


@good(rnd(3, 5, 4), {"batch_axes_out": 1})
class TimeMajor(layers.Layer):
    def call(self, x):
        return ops.transpose(x, (1, 0, 2))


@good(rnd(4, 6), {"batch_axes_out": (None,)})
class Contrast(layers.Layer):
    def call(self, x):
        return ops.mean(x)


@good(rnd(3, 4), {"python_state": ("trace_count",)})
class TraceCount(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.trace_count = 0

    def call(self, x):
        self.trace_count += 1
        return x + 1


@good(rnd(4, 6), {"stochastic": "always", "draws": "batch"})
class McGauss(layers.Layer):
    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.gen = keras.random.SeedGenerator(seed)

    def build(self, s):
        self.m = self.add_weight(shape=(s[-1], 3), name="m")
        self.r = self.add_weight(
            shape=(s[-1], 3), initializer=keras.initializers.Constant(-3), name="r"
        )

    def call(self, x):
        e = keras.random.normal((x.shape[-1], 3), dtype=self.compute_dtype, seed=self.gen)
        w = self.m + ops.softplus(self.r) * e
        return ops.matmul(x, w)

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


@good(rnd(3, 8), {"surrogate_gradient": True})
class Binarize(Plain):
    def call(self, x):
        return ops.clip(x, -1, 1) + ops.stop_gradient(ops.sign(x) - ops.clip(x, -1, 1))


@good(rnd(3, 8), {"differentiable": False})
class Sign(Plain):
    def call(self, x):
        return ops.sign(x)


@good(rnd(3, 4), {"stateful": "train"})
class Schedule(Plain):
    def build(self, s):
        self.step = self.add_weight(
            shape=(), initializer="zeros", dtype="int32", trainable=False, name="step"
        )

    def call(self, x, training=False):
        if training:
            self.step.assign_add(1)
        t = ops.cast(self.step, x.dtype)
        return x * (1 - 0.5 * ops.exp(-t))


@good(rnd(3, 4), {"domain": (0.0, 1.0)})
class Logit(Plain):
    def call(self, x):
        x = ops.clip(x, 0.01, 0.99)
        return ops.log(x / (1 - x))


@good(rnd(3, 4), {"batch_coupled": "train", "stateful": "train"})
class InnerBN(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.bn = layers.BatchNormalization(dtype=self.dtype_policy)

    def build(self, s):
        self.bn.build(s)

    def call(self, x, training=None):
        return ops.relu(self.bn(x, training=training))

    def compute_output_shape(self, s):
        return s


@good(rnd(3, 6), {"stateful": "train"})
class CountsInAMetric(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.activity = keras.metrics.Mean(name="activity")

    def call(self, x, training=False):
        if training:
            self.activity.update_state(ops.mean(ops.abs(x)))
        return x


@good(rnd(3, 4), {"stateful": "always", "batch_coupled": "always"})
class OnlineMean(Plain):
    """Its output uses the new mean; no gradient goes through a variable."""

    def build(self, s):
        self.n = self.add_weight(shape=(), initializer="ones", trainable=False, name="n")
        self.s = self.add_weight(shape=(s[-1],), initializer="zeros", trainable=False, name="s")

    def call(self, x):
        self.n.assign(self.n + 1)
        self.s.assign(self.s + ops.cast(ops.mean(x, 0), self.s.dtype))
        return x - ops.cast(self.s / self.n, x.dtype)


@good(rnd(3, 6))
class KeepsAMetricOfItsOwn(Plain):
    """A metric that counts at inference too: no prediction depends on it."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.rows = keras.metrics.Sum(name="rows")

    def call(self, x):
        self.rows.update_state(ops.cast(ops.shape(x)[0], "float32"))
        return x + 1


@good(rnd(3, 4), {"surrogate_gradient": True})
class ClipsItsGradient(Plain):
    def call(self, x):
        @ops.custom_gradient
        def same(x):
            def grad(*args, upstream=None):
                return ops.clip(args[0] if upstream is None else upstream, -0.1, 0.1)

            return x * 1.0, grad

        return same(x)


@good(rnd(2, 6, 3), {"linear": True, "adjoint": "adjoint"})
class AdjointByItsOwnTranspose(Plain):
    """Looks wrong: the adjoint calls the layer itself. A reversed copy is its own transpose."""

    def call(self, x):
        return ops.flip(x, axis=1)

    def adjoint(self, y):
        return self(y)
