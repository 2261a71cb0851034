"""Bugs of shapes, or rows of a batch that see each other."""

import keras
import numpy as np
from keras import layers, ops

from tests.contracts.bugs._table import Plain, bug, rnd


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


@bug("batch.independent", x=rnd(3, 5, 8))
class HeadsMixRows(layers.Layer):
    """Multi-head attention reshaped (B,T,H*D)->(B*H,T,D) with no transpose and back wrongly."""

    def __init__(self, heads=2, **kwargs):
        super().__init__(**kwargs)
        self.heads = heads

    def call(self, x):
        t, f = x.shape[1], x.shape[2]
        y = ops.transpose(x, (2, 0, 1))
        y = ops.reshape(y, (-1, t, f))
        return y


@bug("batch.independent", x=rnd(4, 6))
class NormAxisMissing(Plain):
    def call(self, x):
        return (x - ops.mean(x)) / (ops.std(x) + 1e-3)


@bug("batch.independent", x=rnd(4, 6))
class L2Batch(Plain):
    def call(self, x):
        return ops.normalize(x, axis=0)


@bug("batch.independent", x=rnd(4, 5, 3))
class RollBatch(Plain):
    def call(self, x):
        return ops.concatenate([x[:1] * 0, x[:-1]], 0) + x


@bug("batch.independent", x=rnd(4, 5, 3), traits={"batch_coupled": "train"})
class BatchStatsBoth(Plain):
    def call(self, x, training=False):
        m = ops.mean(x, (0, 1), keepdims=True)
        return x - m


@bug("batch.independent", x=rnd(4, 3))
class MinibatchStd(layers.Layer):
    """GAN minibatch stddev at inference."""

    def call(self, x):
        s = ops.mean(ops.std(x, axis=0))
        return ops.concatenate([x, ops.broadcast_to(s, (ops.shape(x)[0], 1))], -1)


@bug("shape.batch_axis", x=rnd(3, 5, 4))
class SumBatch(layers.Layer):
    def call(self, x):
        return ops.sum(x, axis=0)


@bug("shape.batch_axis", x=rnd(4, 8, 8, 3))
class PatchMerge(layers.Layer):
    def call(self, x):
        return ops.reshape(x, (-1, 16 * 3))


@bug("shape.any_batch", "shape.batch_axis", x=rnd(2, 4, 3))
class SqueezeAll(layers.Layer):
    def call(self, x):
        return ops.squeeze(ops.mean(x, 1, keepdims=True))


@bug("shape.any_batch", "shape.none_batch", x=rnd(4, 3))
class BatchInBuild(Plain):
    def build(self, s):
        self.bias = self.add_weight(shape=s, initializer="zeros", name="b")

    def call(self, x):
        return x + self.bias


@bug("shape.none_batch", x=rnd(4, 6))
class ZerosOfBatch(layers.Layer):
    def call(self, x):
        z = np.zeros((x.shape[0], 2), "float32")
        return ops.concatenate([x, ops.convert_to_tensor(z, x.dtype)], -1)


@bug("shape.none_batch", "shape.any_batch", x=rnd(4, 6))
class LoopBatch(Plain):
    def call(self, x):
        return ops.stack([ops.tanh(x[i]) for i in range(x.shape[0])])


@bug("shape.none_axes", x=rnd(2, 5, 3), traits={"variable_axes": (1,)})
class PositionFixed(Plain):
    def call(self, x):
        pos = np.arange(x.shape[1])[None, :, None]
        return x + ops.convert_to_tensor(pos, x.dtype)


@bug("shape.none_axes", x=rnd(2, 6, 3), traits={"variable_axes": (1,)})
class FlattenTime(layers.Layer):
    def build(self, s):
        self.w = self.add_weight(shape=(s[1] * s[2], 4), name="w")

    def call(self, x):
        return ops.matmul(ops.reshape(x, (-1, x.shape[1] * x.shape[2])), self.w)


@bug("shape.none_axes", x=rnd(2, 6, 3), traits={"variable_axes": (1,)})
class ForTime(layers.Layer):
    def call(self, x):
        h = 0
        for t in range(x.shape[1]):
            h = ops.tanh(h + x[:, t])
        return h


@bug("shape.spec_matches_call", x=rnd(2, 7, 3))
class StrideFloor(layers.Layer):
    def call(self, x):
        return x[:, ::2]

    def compute_output_shape(self, s):
        return (s[0], s[1] // 2, s[2])


@bug("shape.spec_matches_call", x=rnd(2, 7, 3))
class SpecDtype(layers.Layer):
    def call(self, x):
        return ops.argmax(x, -1)

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape[:-1], "float32")


@bug("shape.spec_matches_call", x=rnd(2, 8, 8, 3))
class ChannelsSwap(layers.Layer):
    def call(self, x):
        return ops.transpose(x, (0, 3, 1, 2))

    def compute_output_shape(self, s):
        return s


@bug("shape.spec_matches_call", x=[rnd(2, 4), rnd(2, 4)])
class TwoOutOne(layers.Layer):
    def call(self, xs):
        return xs[0] + xs[1]

    def compute_output_shape(self, s):
        return [s[0], s[1]]
