"""Bugs of values, gradients, or dtypes."""

import numpy as np
from keras import layers, ops

from tests.contracts.bugs._table import Plain, bug, rnd


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


@bug("forward.finite", "grad.finite", x=np.abs(rnd(2, 4)))
class LogPlain(Plain):
    def call(self, x):
        return x * ops.log(x)


@bug("forward.finite", x=rnd(2, 4))
class Cosine(layers.Layer):
    def build(self, s):
        self.w = self.add_weight(shape=(s[-1], 3))

    def call(self, x):
        n = ops.sqrt(ops.sum(x * x, -1, keepdims=True))
        return ops.matmul(x / n, self.w)


@bug("forward.finite", x=rnd(2, 4))
class MinMax(Plain):
    def call(self, x):
        lo = ops.min(x, -1, keepdims=True)
        return (x - lo) / (ops.max(x, -1, keepdims=True) - lo)


@bug("forward.finite", x=rnd(2, 4))
class ZScoreNoEps(Plain):
    def call(self, x):
        return (x - ops.mean(x, -1, keepdims=True)) / ops.std(x, -1, keepdims=True)


@bug("grad.finite", x=rnd(2, 4, 3))
class StdPool(layers.Layer):
    def call(self, x):
        return ops.std(x, axis=1)


@bug("grad.finite", x=[rnd(3, 4), rnd(3, 4)])
class Euclid(layers.Layer):
    def call(self, xs):
        return ops.sqrt(ops.sum((xs[0] - xs[1]) ** 2, -1, keepdims=True))


@bug("grad.finite", x=rnd(2, 4))
class PowHalf(Plain):
    def call(self, x):
        return ops.power(ops.relu(x), 0.5)


@bug("grad.exists", x=rnd(2, 4))
class HardArgmax(layers.Layer):
    def build(self, s):
        self.w = self.add_weight(shape=(s[-1], 5))

    def call(self, x):
        return ops.one_hot(ops.argmax(ops.matmul(x, self.w), -1), 5)


@bug("grad.exists", x=rnd(2, 4))
class CastInt(Plain):
    def call(self, x):
        return ops.cast(ops.cast(x * 10, "int32"), x.dtype) / 10


@bug("grad.exists", x=rnd(2, 4))
class BiasUnused(layers.Layer):
    def build(self, s):
        self.w = self.add_weight(shape=(s[-1], 3))
        self.b = self.add_weight(shape=(3,), initializer="zeros")

    def call(self, x):
        return ops.matmul(x, self.w)


@bug("grad.exists", x=rnd(2, 4))
class NumpyWeight(Plain):
    def build(self, s):
        self.w = self.add_weight(shape=(s[-1],), initializer="ones")

    def call(self, x):
        return x * ops.convert_to_tensor(ops.convert_to_numpy(self.w.value), x.dtype)


@bug("grad.exists", x=rnd(2, 4))
class Threshold(Plain):
    def build(self, s):
        self.t = self.add_weight(shape=(s[-1],), initializer="zeros")

    def call(self, x):
        return ops.where(x > self.t, x, 0.0)


@bug("grad.numeric", x=rnd(3, 4))
class WrongCustomGrad(Plain):
    def call(self, x):
        @ops.custom_gradient
        def f(v):
            def grad(*a, upstream=None):
                g = upstream if upstream is not None else a[0]
                return g * 2 * ops.sin(v)

            return ops.sin(v), grad

        return f(x)


@bug("grad.numeric", x=rnd(3, 4))
class NormStops(Plain):
    def call(self, x):
        return x / (1 + ops.stop_gradient(ops.sqrt(ops.mean(x * x, -1, keepdims=True) + 1e-3)))


@bug("grad.numeric", "grad.exists", x=rnd(3, 4))
class FloorLinear(Plain):
    def call(self, x):
        return x * 1.0 + ops.stop_gradient(x * x)


@bug("dtype.policy", x=rnd(2, 4))
class NpConst(Plain):
    def call(self, x):
        return x * ops.convert_to_tensor(np.linspace(0, 1, 4), "float32")


@bug("dtype.policy", x=rnd(2, 5, 4))
class PositionsF32(Plain):
    def call(self, x):
        p = ops.cast(ops.arange(5), "float32")[None, :, None]
        return x + ops.sin(p)


@bug("dtype.policy", x=rnd(2, 5, 4))
class ZeroStateF32(Plain):
    def call(self, x):
        h = ops.zeros((ops.shape(x)[0], 1, 4), dtype="float32")
        return ops.concatenate([h, x[:, :-1]], 1)


@bug("dtype.policy", x=np.arange(6).reshape(2, 3).astype("int32"), traits={"int_range": (0, 6)})
class OneHotF32(layers.Layer):
    def call(self, x):
        return ops.one_hot(x, 6, dtype="float32")


@bug("dtype.policy", x=rnd(2, 4))
class ForcesFloat64(Plain):
    def call(self, x):
        return ops.cast(x, "float64") * 2


@bug("dtype.policy", x=rnd(4, 3), traits={"stateful": "train"})
class AssignF32(Plain):
    def build(self, s):
        self.m = self.add_weight(
            shape=(s[-1],), initializer="zeros", trainable=False, dtype="float32", autocast=False
        )

    def call(self, x, training=False):
        return x - self.m


@bug("dtype.finite_in_half", x=rnd(2, 4))
class Eps1e9(Plain):
    def call(self, x):
        return x / (ops.sqrt(ops.sum(x * x, -1, keepdims=True)) + 1e-9)


@bug("dtype.finite_in_half", x=rnd(2, 5, 4), traits={"mask": "propagate"})
class MaskBig(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, x, mask=None):
        s = ops.matmul(x, ops.transpose(x, (0, 2, 1)))
        if mask is not None:
            s = s + (1 - ops.cast(mask[:, None, :], s.dtype)) * -1e9
            x = ops.where(mask[..., None], x, ops.zeros_like(x))
        return ops.matmul(ops.softmax(s), x)


@bug("dtype.finite_in_half", x=rnd(2, 4) * 4)
class ExpSum(Plain):
    def call(self, x):
        e = ops.exp(x * 3)
        return e / ops.sum(e, -1, keepdims=True)


@bug("dtype.finite_in_half", "dtype.close_to_float32", x=rnd(2, 300) * 20)
class MeanSquares(Plain):
    def call(self, x):
        return x / ops.sqrt(ops.sum(x * x, -1, keepdims=True) / 300 + 1e-3)


@bug("dtype.close_to_float32", x=rnd(2, 600, 1))
class CumsumHalf(Plain):
    def call(self, x):
        t = ops.cumsum(ops.ones_like(x), axis=1)
        return ops.sin(t * 1.0)
