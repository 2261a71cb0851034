"""Correct layers that a careless checker would flag, beyond those of the shared cases.

`GOOD` maps a name to (class, constructor arguments, inputs, traits).
"""

import keras
import numpy as np
from keras import layers, ops

from tests.contracts.bugs import Plain, rnd

GOOD = {}


def good(x, traits=None, **kwargs):
    def register(cls):
        GOOD[cls.__name__] = (cls, kwargs, x, traits or {})
        return cls

    return register


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


@good(IDS, {"int_range": (0, 7), "variable_axes": (1,)}, vocabulary=7)
class MyEmbedding(layers.Layer):
    def __init__(self, vocabulary, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary = vocabulary

    def build(self, s):
        self.table = self.add_weight(shape=(self.vocabulary, 4), name="table")

    def call(self, x):
        return ops.take(ops.convert_to_tensor(self.table), x, axis=0)

    def compute_output_shape(self, s):
        return (*s, 4)

    def get_config(self):
        return {**super().get_config(), "vocabulary": self.vocabulary}


@good({"a": rnd(3, 4), "b": rnd(3, 2)})
class DictInput(layers.Layer):
    def build(self, shapes):
        self.w = self.add_weight(shape=(shapes["b"][-1], shapes["a"][-1]), name="w")

    def call(self, inputs):
        return {"sum": inputs["a"] + ops.matmul(inputs["b"], self.w), "b": inputs["b"] * 2}


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
        kept = ops.cast(self.mean, x.dtype)
        self.mean.assign(0.9 * self.mean + 0.1 * ops.cast(ops.mean(x, 0), self.mean.dtype))
        return x - kept


@good(rnd(2, 3), {"stateful": "always", "fixed_batch": True})
class StatePerRow(Plain):
    def build(self, s):
        self.state = self.add_weight(shape=s, initializer="zeros", trainable=False)

    def call(self, x):
        new = 0.5 * ops.cast(self.state, x.dtype) + x
        self.state.assign(new)
        return new


@good(rnd(3, 4))
class WithOptionalMask(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(4, dtype=self.dtype_policy)

    def build(self, s):
        self.dense.build(s)

    def call(self, x, extra=None, training=None):
        y = self.dense(x)
        return y if extra is None else y + extra

    def compute_output_shape(self, s):
        return s


@good(rnd(3, 4), units=3)
class Regularised(layers.Dense):
    def __init__(self, units, **kwargs):
        kwargs.setdefault("kernel_regularizer", "l2")
        super().__init__(units, **kwargs)


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


@good(rnd(3, 5, 4))
class LayerNormInFloat32(Plain):
    def build(self, s):
        self.scale = self.add_weight(shape=(s[-1],), initializer="ones", name="scale")

    def call(self, x):
        y = ops.cast(x, "float32")
        y = y - ops.mean(y, -1, keepdims=True)
        y = y * ops.rsqrt(ops.mean(ops.square(y), -1, keepdims=True) + 1e-5)
        return ops.cast(y, x.dtype) * self.scale


@good(rnd(2, 4), fn="relu")
class Activated(Plain):
    def __init__(self, fn=None, **kwargs):
        super().__init__(**kwargs)
        self.fn = keras.activations.get(fn)

    def call(self, x):
        return self.fn(x)

    def get_config(self):
        return {**super().get_config(), "fn": keras.activations.serialize(self.fn)}


@good(rnd(2, 4))
class Composite(layers.Layer):
    """No build() of its own; layers in a list and a dict."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.blocks = [layers.Dense(4, activation="tanh"), layers.Dense(4)]
        self.heads = {"a": layers.Dense(2), "b": layers.Dense(3)}

    def call(self, x):
        for block in self.blocks:
            x = block(x)
        return self.heads["a"](x), self.heads["b"](x)


@good(rnd(2, 4), inner=layers.Dense(3))
class Wraps(layers.Wrapper):
    def __init__(self, inner, **kwargs):
        super().__init__(inner, **kwargs)
        self.inner = inner

    def call(self, x):
        return self.layer(x) * 2

    def compute_output_shape(self, s):
        return self.layer.compute_output_shape(s)

    def get_config(self):
        config = super().get_config()
        config["inner"] = config.pop("layer")
        return config

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        return cls(keras.saving.deserialize_keras_object(config.pop("inner")), **config)


@good(rnd(2, 4), units=3)
class GatedCell(layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = [units, units]
        self.output_size = units

    def build(self, s):
        self.k = self.add_weight(shape=(s[-1] + self.units, 2 * self.units), name="k")

    def call(self, x, states, training=False):
        h, c = states
        gates = ops.matmul(ops.concatenate([x, h], -1), self.k)
        f, u = ops.split(gates, 2, -1)
        c = ops.sigmoid(f) * c + ops.tanh(u)
        return ops.tanh(c), [ops.tanh(c), c]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@good(np.where(IDS > 4, 0, IDS), {"mask": "create", "int_range": (0, 7), "variable_axes": (1,)})
class MaskingEmbedding(layers.Layer):
    def build(self, s):
        self.table = self.add_weight(shape=(7, 4), name="table")

    def call(self, x):
        return ops.take(ops.convert_to_tensor(self.table), x, axis=0)

    def compute_mask(self, x, mask=None):
        return ops.not_equal(x, 0)

    def compute_output_shape(self, s):
        return (*s, 4)


@good(rnd(2, 6, 3), {"causal": True, "variable_axes": (1,)})
class CausalDifference(Plain):
    def call(self, x):
        return x - ops.pad(x, [[0, 0], [1, 0], [0, 0]])[:, :-1]


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


@good(rnd(2, 5, 3), {"mask": "propagate", "variable_axes": (1,), "equivariant_axes": (1,)})
class Pointwise(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, s):
        self.w = self.add_weight(shape=(s[-1], s[-1]), name="w")

    def call(self, x):
        return ops.relu(ops.matmul(x, self.w))


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
