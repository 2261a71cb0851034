"""Layers with one real defect each, of kinds seen in public code, beyond those of the shared cases.

`BUGS` maps a name to (class, constructor arguments, inputs, traits, contracts: one must break).
"""

import keras
import numpy as np
from keras import layers, ops

BUGS = {}


def rnd(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def bug(*contracts, x, traits=None, **kwargs):
    def register(cls):
        BUGS[cls.__name__] = (cls, kwargs, x, traits or {}, contracts)
        return cls

    return register


class Plain(layers.Layer):
    """A layer that keeps its shape."""

    def compute_output_shape(self, s):
        return s


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


@bug("shape.any_batch", x=rnd(2, 4))
class HardCodedBatch(layers.Layer):
    def call(self, x):
        return ops.reshape(x, (2, 2, 2))


@bug("shape.any_batch", x=rnd(3, 4, 1))
class Squeezes(layers.Layer):
    def call(self, x):
        return ops.squeeze(x)

    def compute_output_shape(self, s):
        return s[:-1]


@bug("shape.none_batch", x=rnd(2, 4))
class BatchArithmetic(layers.Layer):
    def call(self, x):
        half = x.shape[0] * x.shape[1] // 2
        return ops.reshape(ops.reshape(x, (2, half)), (x.shape[0], x.shape[1]))


@bug("shape.batch_axis", x=rnd(2, 4))
class MeanOfEverything(layers.Layer):
    def call(self, x):
        return ops.mean(x)


@bug("shape.batch_axis", x=rnd(3, 5, 4))
class TimeFirst(layers.Layer):
    def call(self, x):
        return ops.transpose(x, (1, 0, 2))


@bug("batch.independent", x=rnd(3, 5, 4))
class CumsumWrongAxis(Plain):
    def call(self, x):
        return ops.cumsum(x, axis=0)


@bug("batch.independent", x=rnd(4, 4))
class DividesByBatch(Plain):
    def call(self, x):
        return x / ops.cast(ops.shape(x)[0], x.dtype)


@bug("batch.independent", x=rnd(3, 4))
class GlobalMax(Plain):
    def call(self, x):
        return x / (1.0 + ops.max(ops.abs(x)))


@bug("batch.independent", x=rnd(4, 6))
class ReshapeMixesRows(layers.Layer):
    def call(self, x):
        return ops.transpose(ops.reshape(x, (6, -1)))


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


@bug("state.no_python_mutation", x=rnd(2, 4))
class KeepsAList(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.history = []

    def call(self, x):
        self.history.append(x.shape)
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


@bug("forward.finite", "grad.finite", x=np.abs(rnd(2, 4)) + 0.1)
class LogOfZero(Plain):
    def call(self, x):
        return ops.log(x)


@bug("grad.finite", x=rnd(2, 4))
class SqrtGradient(Plain):
    def call(self, x):
        return ops.sqrt(ops.abs(x))


@bug("grad.finite", x=rnd(2, 4))
class WhereAfterDivision(Plain):
    def call(self, x):
        return ops.where(ops.abs(x) < 1e-3, 0.0, 1.0 / x)


@bug("grad.finite", x=rnd(2, 4))
class NormGradient(layers.Layer):
    def call(self, x):
        return ops.sqrt(ops.sum(ops.square(x), -1, keepdims=True))


@bug("grad.exists", x=rnd(2, 4))
class RoundsHard(Plain):
    def call(self, x):
        return ops.round(x * 4) / 4


@bug("grad.exists", x=rnd(2, 4))
class UnusedWeight(Plain):
    def build(self, s):
        self.used = self.add_weight(shape=(s[-1],), initializer="ones")
        self.unused = self.add_weight(shape=(s[-1],), initializer="ones")

    def call(self, x):
        return x * self.used


@bug("grad.exists", x=rnd(2, 4))
class StopGradientOnGate(Plain):
    def build(self, s):
        self.gate = self.add_weight(shape=(s[-1],), initializer="ones")

    def call(self, x):
        return x * ops.stop_gradient(ops.sigmoid(ops.convert_to_tensor(self.gate)))


@bug("grad.numeric", x=rnd(3, 4))
class HalfTheGradient(Plain):
    def call(self, x):
        return x * ops.stop_gradient(ops.sigmoid(x))


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


@bug("dtype.policy", x=rnd(3, 4))
class ReturnsFloat32(Plain):
    def call(self, x):
        return ops.softmax(ops.cast(x, "float32"))


@bug("dtype.policy", x=rnd(3, 4))
class Float32Weight(Plain):
    def build(self, s):
        self.k = self.add_weight(shape=(s[-1],), initializer="ones", dtype="float32")

    def call(self, x):
        return x * ops.convert_to_tensor(self.k)


@bug("dtype.finite_in_half", x=rnd(3, 4))
class TinyEpsilon(Plain):
    def call(self, x):
        mean = ops.mean(x, -1, keepdims=True)
        var = ops.mean(ops.square(x - mean), -1, keepdims=True)
        return (x - mean) / ops.sqrt(var + 1e-8)


@bug("dtype.finite_in_half", x=rnd(2, 3, 4))
class HugeNegative(layers.Layer):
    def call(self, x):
        scores = ops.matmul(x, ops.transpose(x, (0, 2, 1)))
        keep = ops.cast(ops.tri(3), x.dtype)
        bias = (1.0 - keep) * -1e9
        return ops.matmul(ops.softmax(scores + bias), x)


@bug("dtype.close_to_float32", x=rnd(2, 64) * 80)
class SumsSquares(layers.Layer):
    def call(self, x):
        return x / ops.sqrt(1.0 + ops.sum(ops.square(x), -1, keepdims=True))

    def compute_output_shape(self, s):
        return s


@bug("dtype.close_to_float32", "dtype.finite_in_half", x=rnd(2, 4) + 1000)
class LosesDigits(Plain):
    def call(self, x):
        # The variance as a difference of two large numbers.
        var = ops.mean(ops.square(x), -1, keepdims=True) - ops.square(
            ops.mean(x, -1, keepdims=True)
        )
        return x * 0 + var


@bug("mask.flow", x=rnd(2, 5, 4), traits={"mask": "propagate"})
class WrongMaskShape(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_mask(self, x, mask=None):
        return None if mask is None else ops.expand_dims(mask, -1)

    def call(self, x, mask=None):
        return x if mask is None else ops.where(mask[..., None], x, 0.0)


@bug("mask.invariance", x=rnd(2, 5, 4), traits={"mask": "consume"})
class MeanOverPadding(layers.Layer):
    def call(self, x, mask=None):
        if mask is None:
            return ops.mean(x, 1)
        return ops.mean(ops.where(mask[..., None], x, 0.0), 1) + 0 * ops.mean(x, 1)


@bug("mask.invariance", x=rnd(3, 5, 4), traits={"mask": "propagate"})
class AttentionIgnoresMask(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, x, mask=None):
        return ops.matmul(ops.softmax(ops.matmul(x, ops.transpose(x, (0, 2, 1)))), x)


@bug("mask.all_masked", x=rnd(2, 5, 4), traits={"mask": "consume"})
class DividesByCount(layers.Layer):
    def call(self, x, mask=None):
        if mask is None:
            return ops.mean(x, 1)
        m = ops.cast(mask, x.dtype)[..., None]
        return ops.sum(ops.where(mask[..., None], x, 0.0), 1) / ops.sum(m, 1)


@bug("loss.no_growth", x=rnd(2, 4))
class LossesPileUp(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.kept = []

    def call(self, x):
        self.kept.append(ops.mean(ops.square(x)))
        self.add_loss(sum(self.kept))
        return x


@bug("compile.jit", "mode.eager_equals_graph", x=rnd(2, 4))
class NumpyInCall(Plain):
    def call(self, x):
        return ops.convert_to_tensor(np.sort(ops.convert_to_numpy(x), -1))


@bug("compile.jit", "shape.none_batch", x=rnd(3, 4))
class LoopsOverRows(Plain):
    def call(self, x):
        return ops.stack([row / (1 + ops.max(ops.abs(row))) for row in x])


@bug("cell.state_spec", x=rnd(2, 4), units=3)
class StateNotReturned(layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, s):
        self.k = self.add_weight(shape=(s[-1], self.units))

    def call(self, x, states):
        return ops.matmul(x, self.k) + states[0], []


@bug("cell.state_spec", x=rnd(2, 4), units=3)
class StateGrowsWide(layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, s):
        self.k = self.add_weight(shape=(s[-1], self.units))

    def call(self, x, states):
        h = ops.cast(ops.matmul(x, self.k), "float32") + ops.cast(states[0], "float32")
        return ops.cast(h, x.dtype), [h]


@bug("trait.causal", x=rnd(2, 6, 3), traits={"causal": True})
class LooksAhead(Plain):
    def call(self, x):
        return x - ops.mean(x, axis=1, keepdims=True)


@bug("trait.streaming", x=rnd(2, 6, 3), traits={"causal": True, "streaming": True})
class StepForgets(Plain):
    def initial_state(self, batch):
        return {"last": ops.zeros((batch, 1, 3))}

    def step(self, x, state, mask=None):
        seen = ops.concatenate([state["last"], x], 1)
        return seen[:, 1:] - seen[:, :-1], state

    def call(self, x):
        return self.step(x, self.initial_state(ops.shape(x)[0]))[0]


@bug("trait.equivariant", x=rnd(2, 5, 3), traits={"equivariant_axes": (1,)})
class AddsPositions(Plain):
    def call(self, x):
        return x + ops.reshape(ops.arange(5, dtype=x.dtype), (1, 5, 1))


@bug("shape.none_axes", x=rnd(2, 5, 3), traits={"variable_axes": (1,)})
class WeightsByLength(Plain):
    def build(self, s):
        self.position = self.add_weight(shape=(s[1], s[2]))

    def call(self, x):
        return x + self.position


@bug("shape.spec_matches_call", x=rnd(2, 5, 3))
class SpecDropsAxis(layers.Layer):
    def call(self, x):
        return ops.mean(x, 1, keepdims=True)

    def compute_output_shape(self, s):
        return (s[0], s[2])


@bug("config.base", x=rnd(2, 4))
class LosesTrainable(Plain):
    def __init__(self, name=None, dtype=None, trainable=True, **kwargs):
        super().__init__(name=name, dtype=dtype, **kwargs)

    def call(self, x):
        return x * 2


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
