"""Correct layers whose author has nothing to declare."""

import keras
import numpy as np
from keras import layers, ops

from tests.contracts.good._table import Plain, good, rnd

IDS = np.random.default_rng(0).integers(0, 7, (3, 5)).astype("int32")


@good({"a": rnd(3, 4), "b": rnd(3, 2)})
class DictInput(layers.Layer):
    def build(self, shapes):
        self.w = self.add_weight(shape=(shapes["b"][-1], shapes["a"][-1]), name="w")

    def call(self, inputs):
        return {"sum": inputs["a"] + ops.matmul(inputs["b"], self.w), "b": inputs["b"] * 2}


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


@good(rnd(3, 5, 4))
class LazyList(layers.Layer):
    def __init__(self, n=2, **kwargs):
        super().__init__(**kwargs)
        self.n = n
        self.ds = [layers.Dense(4, dtype=self.dtype_policy) for _ in range(n)]

    def build(self, s):
        for d in self.ds:
            d.build(s)

    def call(self, x):
        for d in self.ds:
            x = ops.relu(d(x)) + x
        return x

    def compute_output_shape(self, s):
        return s

    def get_config(self):
        return {**super().get_config(), "n": self.n}


@good(rnd(3, 4), {}, inner=layers.Dense(3, activation="tanh"))
class TakesLayer(layers.Layer):
    def __init__(self, inner, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner

    def build(self, s):
        if not self.inner.built:
            self.inner.build(s)

    def call(self, x):
        return self.inner(x) * 2

    def compute_output_shape(self, s):
        return self.inner.compute_output_shape(s)

    def get_config(self):
        return {**super().get_config(), "inner": keras.saving.serialize_keras_object(self.inner)}

    @classmethod
    def from_config(cls, c):
        c = dict(c)
        return cls(keras.saving.deserialize_keras_object(c.pop("inner")), **c)


@good(rnd(3, 4), {}, units=3)
class Reg(layers.Layer):
    def __init__(
        self, units, kernel_initializer="glorot_uniform", kernel_regularizer="l2", **kwargs
    ):
        super().__init__(**kwargs)
        self.units = units
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, s):
        self.kernel = self.add_weight(
            shape=(s[-1], self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            name="kernel",
        )

    def call(self, x):
        return ops.matmul(x, self.kernel)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }


@good([rnd(3, 4), rnd(3, 5, 4)])
class CrossAttn(layers.Layer):
    def call(self, q, v):
        s = ops.einsum("bd,btd->bt", q, v)
        return ops.einsum("bt,btd->bd", ops.softmax(s), v)


@good({"query": rnd(3, 4), "value": rnd(3, 5, 4)})
class CrossAttnNamed(layers.Layer):
    def call(self, query, value):
        s = ops.einsum("bd,btd->bt", query, value)
        return ops.einsum("bt,btd->bd", ops.softmax(s), value)


@good(rnd(2, 4), {}, units=3)
class CellOwnInit(layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = units
        self.output_size = units

    def build(self, s):
        self.k = self.add_weight(shape=(s[-1], self.units), name="k")
        self.r = self.add_weight(shape=(self.units, self.units), initializer="orthogonal", name="r")

    def get_initial_state(self, batch_size=None):
        return [ops.ones((batch_size, self.units), dtype=self.compute_dtype)]

    def call(self, x, states, training=False):
        h = ops.tanh(ops.matmul(x, self.k) + ops.matmul(states[0], self.r))
        return h, [h]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@good(rnd(2, 4), {}, units=3)
class CellTuple(layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = (units, units)

    def build(self, s):
        self.k = self.add_weight(shape=(s[-1], self.units), name="k")

    def call(self, x, states):
        h, c = states
        c = 0.9 * c + ops.tanh(ops.matmul(x, self.k))
        return c * h + c, (ops.tanh(c), c)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@good(rnd(3, 4))
class F32Gate(Plain):
    """a router weight kept in float32 by design"""

    def build(self, s):
        self.w = self.add_weight(shape=(s[-1], s[-1]), dtype="float32", autocast=False, name="w")

    def call(self, x):
        g = ops.softmax(ops.matmul(ops.cast(x, "float32"), ops.convert_to_tensor(self.w)))
        return x * ops.cast(g, x.dtype)


@good(rnd(3, 4))
class BatchFromShape(Plain):
    def call(self, x):
        z = ops.zeros((ops.shape(x)[0], 1), dtype=x.dtype)
        return ops.concatenate([z, x], -1)[:, :-1]


@good(rnd(2, 8, 8, 3), {}, patch=4)
class PatchEmbed(layers.Layer):
    def __init__(self, patch, **kwargs):
        super().__init__(**kwargs)
        self.patch = patch

    def build(self, s):
        self.w = self.add_weight(shape=(self.patch**2 * s[-1], 5), name="w")

    def call(self, x):
        b, h, w, c = ops.shape(x)[0], x.shape[1], x.shape[2], x.shape[3]
        p = self.patch
        x = ops.reshape(x, (b, h // p, p, w // p, p, c))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
        return ops.matmul(ops.reshape(x, (b, (h // p) * (w // p), p * p * c)), self.w)

    def get_config(self):
        return {**super().get_config(), "patch": self.patch}


@good(rnd(4, 6), {})
class EndpointLoss(Plain):
    def call(self, x, targets=None):
        if targets is not None:
            self.add_loss(ops.mean(ops.square(x - targets)))
        return x


@good(rnd(3, 4))
class LossReg(layers.Layer):
    def build(self, s):
        self.w = self.add_weight(shape=(s[-1], 3), name="w")

    def call(self, x):
        self.add_loss(1e-3 * ops.sum(ops.square(ops.convert_to_tensor(self.w))))
        return ops.matmul(x, self.w)


@good(rnd(3, 8))
class RMS(Plain):
    def build(self, s):
        self.g = self.add_weight(shape=(s[-1],), initializer="ones", name="g")

    def call(self, x):
        y = ops.cast(x, "float32")
        y = y * ops.rsqrt(ops.mean(y * y, -1, keepdims=True) + 1e-6)
        return ops.cast(y, x.dtype) * ops.cast(self.g, x.dtype)


@good(rnd(3, 8))
class ReluKink(Plain):
    def call(self, x):
        return ops.relu(x) + ops.abs(x) + ops.maximum(x, 0.1)


@good(rnd(2, 4), {}, scale=np.arange(4.0))
class ArrayArg(Plain):
    def __init__(self, scale, **kwargs):
        super().__init__(**kwargs)
        self.scale = [float(v) for v in scale]

    def call(self, x):
        return x * ops.convert_to_tensor(self.scale, x.dtype)

    def get_config(self):
        return {**super().get_config(), "scale": list(self.scale)}


@good(rnd(2, 4), {}, units=3)
class AutoConfig(layers.Layer):
    def __init__(self, units, act="relu", **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.act = act
        self.d = layers.Dense(units, activation=act)

    def build(self, s):
        self.d.build(s)

    def call(self, x):
        return self.d(x)

    def compute_output_shape(self, s):
        return (*s[:-1], self.units)


@good(rnd(2, 4))
class TrainableProp(layers.Layer):
    def build(self, s):
        self.w = self.add_weight(shape=(s[-1], 3), name="w")
        self.fixed = self.add_weight(
            shape=(s[-1], 3), initializer="random_normal", trainable=False, name="f"
        )

    def call(self, x):
        return ops.matmul(x, self.w + self.fixed)


@good(rnd(2, 16), {}, n=8)
class DFT(layers.Layer):
    def __init__(self, n, **kwargs):
        super().__init__(**kwargs)
        self.n = n

    def call(self, x):
        re, im = ops.rfft(ops.cast(x, "float32"))
        return ops.cast(ops.log(re * re + im * im + 1e-3), self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "n": self.n}


@good(rnd(3, 4))
class WithModel(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.net = keras.Sequential([layers.Dense(5, activation="relu"), layers.Dense(4)])

    def build(self, s):
        self.net.build(s)

    def call(self, x, training=None):
        return x + self.net(x, training=training)

    def compute_output_shape(self, s):
        return s


@good(rnd(3, 4), {}, size=4)
class TableInWeights(Plain):
    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def build(self, s):
        self.table = self.add_weight(
            shape=(self.size,),
            initializer=lambda shape, dtype=None: ops.cast(ops.arange(self.size), dtype),
            trainable=False,
            name="t",
        )

    def call(self, x):
        return x + self.table

    def get_config(self):
        return {**super().get_config(), "size": self.size}


@good(rnd(3, 4))
class CachedConst(Plain):
    """a NumPy constant computed in build"""

    def build(self, s):
        self.c = np.linspace(0, 1, s[-1]).astype("float32")

    def call(self, x):
        return x * ops.convert_to_tensor(self.c, x.dtype)


@good(rnd(3, 4))
class WeightOnTheLeft(layers.Layer):
    """Python's operators on a tensor and the input: nothing of one backend."""

    def build(self, s):
        self.w = self.add_weight(shape=(s[-1],), initializer="ones", name="w")

    def call(self, x):
        w = ops.cast(self.w, self.compute_dtype)
        return ops.where(w < x, w * x, w - x)


@good({"x": rnd(3, 6, 4), "context": rnd(3, 2)})
class KeywordOnly(layers.Layer):
    def build(self, x_shape, context_shape):
        self.w = self.add_weight(shape=(context_shape[-1], x_shape[-1]), name="w")

    def call(self, x, *, context):
        return x + ops.matmul(context, self.w)[:, None]


@good({"x": rnd(3, 6, 4), "context": rnd(3, 2)})
class OptionalContext(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(4, dtype=self.dtype_policy)

    def build(self, x_shape, context_shape=None):
        if context_shape is not None:
            self.dense.build(context_shape)

    def call(self, x, context=None):
        return x if context is None else x + self.dense(context)[:, None]


@good(rnd(3, 4), layer=layers.Dense(4))
class Residual(layers.Wrapper):
    """The `from_config` that empties its argument is Keras' own."""

    def call(self, x):
        return x + self.layer(x)

    def compute_output_shape(self, input_shape):
        return input_shape
