"""Bugs of their configuration, constructor or files."""

import keras
import numpy as np
from keras import layers, ops

from tests.contracts.bugs._table import Plain, bug, rnd


@bug("ctor.independent", x=rnd(2, 4))
class MutableDefault(Plain):
    def __init__(self, widths=[], **kwargs):  # noqa: B006
        super().__init__(**kwargs)
        widths.append(1)
        self.widths = list(widths)

    def call(self, x):
        return x * len(self.widths)

    def get_config(self):
        return {**super().get_config(), "widths": self.widths[:-1]}


@bug("ctor.independent", x=rnd(2, 4))
class SharedDefaultLayer(layers.Layer):
    def __init__(self, inner=layers.Dense(4), **kwargs):  # noqa: B008
        super().__init__(**kwargs)
        self.inner = inner

    def build(self, s):
        if not self.inner.built:
            self.inner.build(s)

    def call(self, x):
        return self.inner(x)


@bug("config.pure", x=rnd(2, 4), units=3)
class FromConfigPops(layers.Dense):
    @classmethod
    def from_config(cls, config):
        return cls(config.pop("units"), **config)


@bug("config.complete", x=rnd(2, 4), rate=0.3)
class ForgetsArgument(Plain):
    def __init__(self, rate=0.5, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, x):
        return x * self.rate

    def get_config(self):
        return super().get_config()


@bug("config.complete", "config.roundtrip", x=rnd(2, 4), scale=3.0)
class WritesTheDefault(Plain):
    def __init__(self, scale=1.0, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, x):
        return x * self.scale

    def get_config(self):
        return {**super().get_config(), "scale": 1.0}


@bug("config.roundtrip", x=rnd(2, 4), fn=np.tanh)
class FunctionNotSerialised(Plain):
    def __init__(self, fn, **kwargs):
        super().__init__(**kwargs)
        self.fn = fn

    def call(self, x):
        return ops.tanh(x)


@bug("save.model", "weights.reload_fresh", "weights.tracked", x=rnd(2, 4))
class SavesNothing(layers.Dense):
    def __init__(self, units=4, **kwargs):
        super().__init__(units, **kwargs)

    def save_own_variables(self, store):
        pass

    def load_own_variables(self, store):
        pass


@bug("copy.deepcopy", x=rnd(2, 4))
class CopySharesWeights(layers.Dense):
    def __init__(self, units=4, **kwargs):
        super().__init__(units, **kwargs)

    def __deepcopy__(self, memo):
        return self


@bug("config.base", x=rnd(2, 4))
class LosesTrainable(Plain):
    def __init__(self, name=None, dtype=None, trainable=True, **kwargs):
        super().__init__(name=name, dtype=dtype, **kwargs)

    def call(self, x):
        return x * 2


@bug("config.complete", x=rnd(2, 4), units=3, use_bias=False)
class DropsBias(layers.Layer):
    def __init__(self, units, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.use_bias = use_bias

    def build(self, s):
        self.w = self.add_weight(shape=(s[-1], self.units))
        if self.use_bias:
            self.b = self.add_weight(shape=(self.units,))

    def call(self, x):
        y = ops.matmul(x, self.w)
        return y + self.b if self.use_bias else y

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@bug("config.roundtrip", x=rnd(2, 4))
class ConfigHoldsLayer(layers.Layer):
    def __init__(self, inner=None, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner or layers.Dense(4)

    def build(self, s):
        self.inner.build(s)

    def call(self, x):
        return self.inner(x)

    def get_config(self):
        return {**super().get_config(), "inner": self.inner.get_config()}


@bug("config.roundtrip", "config.complete", x=rnd(2, 4), act="relu")
class ActNotBack(Plain):
    def __init__(self, act="linear", **kwargs):
        super().__init__(**kwargs)
        self.act = keras.activations.get(act)

    def call(self, x):
        return self.act(x)

    def get_config(self):
        return {**super().get_config(), "act": self.act.__name__.upper()}


@bug("config.roundtrip", x=rnd(2, 4), w=np.ones(4, "float32"))
class ArrayInConfig(Plain):
    def __init__(self, w, **kwargs):
        super().__init__(**kwargs)
        self.w_ = w

    def call(self, x):
        return x * ops.convert_to_tensor(self.w_, x.dtype)

    def get_config(self):
        return {**super().get_config(), "w": self.w_.tobytes()}


@bug("config.roundtrip", x=rnd(2, 4), f=lambda v: v * 2)
class LambdaArg(Plain):
    def __init__(self, f, **kwargs):
        super().__init__(**kwargs)
        self.f = f

    def call(self, x):
        return self.f(x)

    def get_config(self):
        return {**super().get_config(), "f": self.f}


@bug("config.base", x=rnd(2, 4))
class FixedName(Plain):
    def __init__(self, **kwargs):
        kwargs.pop("name", None)
        super().__init__(name="fixed", **kwargs)

    def call(self, x):
        return x * 2


@bug("config.base", x=rnd(2, 4))
class DtypeForced(Plain):
    def __init__(self, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)

    def call(self, x):
        return x * 2


@bug("config.base", x=rnd(2, 4), rate=0.1)
class NoBaseConfig(Plain):
    def __init__(self, rate, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, x):
        return x * self.rate

    def get_config(self):
        return {"rate": self.rate}


@bug("config.base", "config.roundtrip", x=rnd(2, 4), rate=0.1)
class FromConfigDrops(Plain):
    def __init__(self, rate, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, x):
        return x * self.rate

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}

    @classmethod
    def from_config(cls, c):
        return cls(c["rate"])


@bug("config.pure", x=rnd(2, 4), inner=layers.Dense(4))
class PopsInner(layers.Layer):
    def __init__(self, inner, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner

    def build(self, s):
        self.inner.build(s)

    def call(self, x):
        return self.inner(x)

    def get_config(self):
        return {**super().get_config(), "inner": keras.saving.serialize_keras_object(self.inner)}

    @classmethod
    def from_config(cls, c):
        c["inner"] = keras.saving.deserialize_keras_object(c["inner"])
        return cls(**c)


@bug("ctor.independent", x=rnd(2, 4))
class ClassCache(Plain):
    seen = []  # noqa: RUF012

    def call(self, x):
        self.seen.append(1)
        return x


@bug("ctor.independent", x=rnd(2, 4))
class ClassDense(layers.Layer):
    dense = layers.Dense(4)

    def call(self, x):
        return self.dense(x)


@bug("ctor.independent", x=rnd(2, 4))
class DictDefault(Plain):
    def __init__(self, opts={}, **kwargs):  # noqa: B006
        super().__init__(**kwargs)
        self.opts = opts
        opts["n"] = opts.get("n", 0) + 1

    def call(self, x):
        return x * 2

    def get_config(self):
        return {**super().get_config(), "opts": dict(self.opts)}


@bug("ctor.independent", x=rnd(2, 4))
class SharedInit(layers.Layer):
    def __init__(self, gen=keras.random.SeedGenerator(3), **kwargs):  # noqa: B008
        super().__init__(**kwargs)
        self.gen = gen

    def call(self, x, training=False):
        return (
            x + keras.random.normal(ops.shape(x), dtype=x.dtype, seed=self.gen) if training else x
        )


@bug("save.model", "config.roundtrip", "weights.tracked", "weights.reload_fresh", x=rnd(2, 4))
class LoadsTransposed(layers.Layer):
    def build(self, s):
        self.k = self.add_weight(shape=(s[-1], s[-1]), name="k")

    def call(self, x):
        return ops.matmul(x, self.k)

    def save_own_variables(self, store):
        store["0"] = ops.convert_to_numpy(self.k).T

    def load_own_variables(self, store):
        self.k.assign(store["0"])


@bug("save.model", "weights.reload_fresh", x=rnd(2, 4))
class AdaptedState(Plain):
    """statistics kept as python floats, computed in build"""

    def build(self, s):
        self.k = self.add_weight(shape=(s[-1],), initializer="ones")
        self.extra = self.add_weight(shape=(s[-1],), initializer="zeros")

    def call(self, x):
        return x * self.k + self.extra

    def save_own_variables(self, store):
        store["0"] = ops.convert_to_numpy(self.k)

    def load_own_variables(self, store):
        self.k.assign(store["0"])


@bug("copy.deepcopy", x=rnd(2, 4))
class CopiesWrong(layers.Layer):
    def build(self, s):
        self.k = self.add_weight(shape=(s[-1], s[-1]), name="k")

    def call(self, x):
        return ops.matmul(x, self.k)

    def __deepcopy__(self, memo):
        return type(self).from_config(self.get_config())
