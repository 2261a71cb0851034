"""Correct layers beside the bugs of `tests.contracts.bugs.wild`."""

import keras
import numpy as np
from keras import layers, ops

from tests.contracts.bugs.wild import BYTES, IDS, Draws, Regularised
from tests.contracts.good._table import Plain, good, rnd


@good(rnd(4, 5, 3), {"stochastic": "train"})
class DropsChannelsOfEachRow(Draws):
    def call(self, x, training=False):
        if not training:
            return x
        shape = (ops.shape(x)[0], 1, x.shape[-1])
        keep = keras.random.uniform(shape, seed=self.draws, dtype=x.dtype) > 0.5
        return ops.where(keep, 2 * x, 0)


@good([rnd(3, 4), rnd(3, 4)], {"unused_inputs": (1,)})
class TakesALikeForItsShape(layers.Layer):
    def call(self, x, like):
        return x * 2


@good([rnd(3, 5), IDS], {"int_range": (0, 3)})
class PenalisesRepeats(layers.Layer):
    def call(self, scores, ids):
        return scores - 10 * ops.cast(ops.equal(ids[:, :1], ids), scores.dtype)


@good([rnd(3, 4), rnd(3, 1)])
class OptionalWeights(layers.Layer):
    def call(self, x, weights=None):
        return x if weights is None else x * weights


@good(BYTES, {"int_range": (0, 256)})
class CentresWiderBytes(Plain):
    def call(self, x):
        return ops.cast(x, self.compute_dtype) - 128


@good(BYTES, {"int_range": (0, 256), "integers": "wrap", "output_dtype": "uint8",
              "differentiable": False})  # fmt: skip
class Checksum(layers.Layer):
    def call(self, x):
        return ops.cast(x * ops.cast(31, x.dtype), "uint8")

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, "uint8")


@good(rnd(3, 4))
class TwoDifferentLosses(Regularised):
    def call(self, x):
        y = self.dense(x)
        self.add_loss(0.01 * ops.mean(ops.abs(self.dense.kernel)))
        return y


@good(rnd(3, 4), bounds=[0.0, 1.0])
class CopiesItsArgument(Plain):
    def __init__(self, bounds, **kwargs):
        super().__init__(**kwargs)
        self.bounds = sorted([*bounds, -1.0])

    def call(self, x):
        return x + sum(self.bounds)

    def get_config(self):
        return {**super().get_config(), "bounds": [b for b in self.bounds if b != -1.0]}


@good(rnd(3, 6), {"unordered_axes": (1,)})
class LargestInAnyOrder(layers.Layer):
    def call(self, x):
        return ops.top_k(x, 3, sorted=False)[0]


@good(rnd(2, 6, 4), {"mask": "propagate"})
class AttentionWithAdditiveMask(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, x, mask=None):
        scores = ops.matmul(x, ops.swapaxes(x, 1, 2)) / 2
        if mask is not None:
            # In float16 the largest number is 65504.
            scores = ops.where(mask[:, None], scores, -3e4)
        return ops.matmul(ops.softmax(scores), x)


@good(rnd(3, 4), np_policy=True)
class PolicyByItsName(Plain):
    def __init__(self, np_policy=True, **kwargs):
        super().__init__(**kwargs)
        self.np_policy = np_policy

    def call(self, x):
        return x + ops.cast(np.float32(self.np_policy), x.dtype)

    def get_config(self):
        return {**super().get_config(), "dtype": self.dtype_policy.name, "np_policy": True}
