"""Bugs of their weights, Python state, losses or inputs."""

import itertools

import keras
import numpy as np
from keras import layers, ops

from tests.contracts.bugs._table import Plain, bug, rnd


class _Hidden:
    def __init__(self, layer):
        self.layer = layer


@bug("weights.tracked", x=rnd(2, 4))
class LayerInPlainObject(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.box = _Hidden(layers.Dense(4))

    def call(self, x):
        return self.box.layer(x)


@bug("weights.tracked", x=rnd(2, 4))
class LayerInClosure(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        inner = layers.Dense(4)
        self.run = lambda x: inner(x)

    def call(self, x):
        return self.run(x)


@bug("weights.tracked", x=rnd(2, 4))
class VariableInPlainObject(Plain):
    def build(self, s):
        self.box = _Hidden(keras.Variable(np.ones(s[-1], "float32")))

    def call(self, x):
        return x * self.box.layer


@bug("weights.reload_fresh", "build.complete", x=rnd(2, 4))
class WeightsInCall(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.blocks = [layers.Dense(4), layers.Dense(4)]

    def build(self, s):
        self.blocks[0].build(s)

    def call(self, x):
        for block in self.blocks:
            x = block(x)
        return x


@bug("state.no_python_mutation", x=rnd(2, 4))
class KeepsAList(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.history = []

    def call(self, x):
        self.history.append(x.shape)
        return x


SHAPES = []


@bug("state.no_python_mutation", x=rnd(2, 4))
class KeepsAListInItsModule(Plain):
    def call(self, x):
        SHAPES.append(x.shape)
        return x


CALLS = 0


@bug("state.no_python_mutation", x=rnd(2, 4))
class CountsInItsModule(Plain):
    def call(self, x):
        global CALLS
        CALLS += 1
        return x


@bug("state.no_python_mutation", x=rnd(2, 4))
class CachesATensor(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.cache = None

    def call(self, x):
        if self.cache is None:
            self.cache = ops.arange(4, dtype=x.dtype)
        return x + self.cache


@bug("train.frozen", x=rnd(3, 4))
class IgnoresFrozen(Plain):
    def build(self, s):
        self.k = self.add_weight(shape=(s[-1],), initializer="ones")

    def call(self, x, training=False):
        if training:
            self.k.assign(self.k * 0.9)
        return x * self.k


@bug("train.frozen", x=rnd(3, 4))
class AlwaysTrainable(Plain):
    def build(self, s):
        self.k = self.add_weight(shape=(s[-1],), initializer="ones")

    @property
    def trainable_variables(self):
        return [self.k]

    def call(self, x):
        return x * self.k


@bug("loss.no_growth", x=rnd(2, 4))
class LossesPileUp(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.kept = []

    def call(self, x):
        self.kept.append(ops.mean(ops.square(x)))
        self.add_loss(sum(self.kept))
        return x


@bug("input.unchanged", x=[rnd(2, 4), rnd(2, 4)])
class PopsFromList(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._convert_input_args = False

    def call(self, inputs):
        last = inputs.pop()
        return ops.convert_to_tensor(inputs[0]) + last


@bug("input.unchanged", x=rnd(2, 4))
class WritesIntoInput(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._convert_input_args = False

    def call(self, x):
        if isinstance(x, np.ndarray):
            x *= 2
        return ops.convert_to_tensor(x)


@bug("weights.tracked", x=rnd(2, 4))
class NestedLists(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.blocks = []
        for _ in range(2):
            row = []
            self.blocks.append(row)
            row.append(layers.Dense(4))
            row.append(layers.Dense(4))

    def call(self, x):
        for a, b in self.blocks:
            x = a(x) + b(x)
        return x


class Block:
    def __init__(self):
        self.d = layers.Dense(4)

    def __call__(self, x):
        return self.d(x)


@bug("weights.tracked", x=rnd(2, 4))
class HelperObjects(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.bs = [Block(), Block()]

    def call(self, x):
        for b in self.bs:
            x = b(x)
        return x


@bug("weights.tracked", "infer.deterministic", x=rnd(2, 4))
class WeightEachCall(Plain):
    def call(self, x):
        w = keras.Variable(np.random.normal(size=(4,)).astype("float32"))  # noqa: NPY002
        return x * ops.cast(w, x.dtype)


@bug("build.complete", "weights.reload_fresh", x=rnd(2, 6, 4))
class HalfBuilt(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.a = layers.Dense(8, activation="relu")
        self.b = layers.Dense(4)
        self.n = layers.LayerNormalization()

    def build(self, s):
        self.a.build(s)
        self.n.build(s)

    def call(self, x):
        return self.n(x + self.b(self.a(x)))


@bug("state.no_python_mutation", x=rnd(2, 4))
class CallsCounter(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.info = {"n": 0}

    def call(self, x):
        self.info["n"] += 1
        return x


@bug("state.no_python_mutation", x=rnd(2, 5, 4))
class KeepsMask(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.attention = None

    def call(self, x):
        a = ops.softmax(ops.matmul(x, ops.transpose(x, (0, 2, 1))))
        self.attention = a
        return ops.matmul(a, x)


@bug("state.no_python_mutation", x=rnd(2, 4))
class SetsTrainingFlag(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.mode = None

    def call(self, x, training=False):
        self.mode = training
        return x * 2


@bug("state.no_python_mutation", x=rnd(2, 4))
class RunningAverage(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.avg = 0.0

    def call(self, x, training=False):
        if training:
            self.avg = 0.9 * self.avg + 0.1 * ops.mean(x)
        return x - self.avg


@bug("train.frozen", x=rnd(3, 4))
class FrozenChild(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.d = layers.Dense(4)

    def build(self, s):
        self.d.build(s)

    @property
    def trainable_weights(self):
        return (
            self.d._trainable_variables
            if hasattr(self.d, "_trainable_variables")
            else self.d.weights
        )

    @property
    def trainable_variables(self):
        return self.d.weights

    def call(self, x):
        return self.d(x)


@bug("train.frozen", x=rnd(3, 4))
class WeightDecayInCall(layers.Layer):
    def build(self, s):
        self.w = self.add_weight(shape=(s[-1], 3))

    def call(self, x, training=None):
        if training:
            self.w.assign(ops.clip(self.w, -0.1, 0.1))
        return ops.matmul(x, self.w)


@bug(
    "train.frozen",
    x=rnd(4, 3),
    traits={"stateful": "train", "batch_coupled": "train", "stochastic": "train"},
)
class CentersMove(Plain):
    def build(self, s):
        self.c = self.add_weight(shape=(s[-1],), initializer="zeros")

    def call(self, x, training=False):
        if training:
            self.c.assign_add(0.1 * ops.mean(x - self.c, 0))
        return x - self.c


@bug("loss.no_growth", x=rnd(2, 4))
class LossPerCall(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.total = None

    def build(self, s):
        self.acc = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x):
        self.acc.assign_add(ops.cast(ops.mean(x * x), self.acc.dtype))
        self.add_loss(ops.convert_to_tensor(self.acc) * 1.0)
        return x


@bug("loss.no_growth", x=rnd(2, 4))
class KeepsLosses(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.my = []

    def call(self, x):
        self.my.append(ops.mean(x * x))
        return x

    @property
    def losses(self):
        return super().losses + list(self.my)


@bug("input.unchanged", x={"a": rnd(2, 4), "b": rnd(2, 4)})
class AddsKey(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._convert_input_args = False

    def call(self, inputs):
        inputs["sum"] = ops.convert_to_tensor(inputs["a"]) + inputs["b"]
        return inputs["sum"]


@bug("input.unchanged", x=[rnd(2, 4), rnd(2, 4)])
class SortsList(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._convert_input_args = False

    def call(self, inputs):
        inputs[0] = ops.convert_to_tensor(inputs[0]) * 2
        return inputs[0] + inputs[1]


@bug("portable.backends", x=rnd(3, 4))
class HandsToNumpy(Plain):
    def call(self, x):
        return ops.convert_to_tensor(np.tanh(x))


@bug("state.no_python_mutation", x=rnd(2, 4))
class CountsOn(Plain):
    """Its counter has no attributes of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.calls = itertools.count(1)

    def call(self, x):
        return x / next(self.calls)
