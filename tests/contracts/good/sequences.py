"""Correct layers of sequences, with masks and lengths declared."""

import numpy as np
from keras import layers, ops

from tests.contracts.good._table import Plain, good, rnd

IDS = np.random.default_rng(0).integers(0, 7, (3, 5)).astype("int32")


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


@good(rnd(2, 5, 3), {"mask": "propagate", "variable_axes": (1,), "equivariant_axes": (1,)})
class Pointwise(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, s):
        self.w = self.add_weight(shape=(s[-1], s[-1]), name="w")

    def call(self, x):
        return ops.relu(ops.matmul(x, self.w))


@good(rnd(3, 6, 4), {"mask": "propagate", "variable_axes": (1,), "causal": True}, heads=2, dim=4)
class CausalMHA(layers.Layer):
    def __init__(self, heads, dim, **kwargs):
        super().__init__(**kwargs)
        self.heads, self.dim = heads, dim
        self.supports_masking = True

    def build(self, s):
        self.wqkv = self.add_weight(shape=(s[-1], 3 * self.dim), name="qkv")
        self.wo = self.add_weight(shape=(self.dim, self.dim), name="o")

    def call(self, x, mask=None):
        b, t = ops.shape(x)[0], ops.shape(x)[1]
        if mask is not None:
            x = ops.where(mask[..., None], x, ops.zeros_like(x))
        q, k, v = ops.split(ops.matmul(x, self.wqkv), 3, -1)

        def sp(y):
            return ops.transpose(
                ops.reshape(y, (b, t, self.heads, self.dim // self.heads)), (0, 2, 1, 3)
            )

        q, k, v = sp(q), sp(k), sp(v)
        s = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) / (self.dim // self.heads) ** 0.5
        i = ops.arange(t)
        keep = i[:, None] >= i[None, :]
        keep = ops.expand_dims(keep, 0)[None]
        if mask is not None:
            keep = ops.logical_and(keep, mask[:, None, None, :])
        s = ops.where(keep, s, ops.cast(-3e4, s.dtype))
        y = ops.transpose(ops.matmul(ops.softmax(s), v), (0, 2, 1, 3))
        return ops.matmul(ops.reshape(y, (b, t, self.dim)), self.wo)

    def compute_output_shape(self, s):
        return (s[0], s[1], self.dim)

    def get_config(self):
        return {**super().get_config(), "heads": self.heads, "dim": self.dim}


@good(np.arange(12).reshape(3, 4).astype("int32") % 5, {"int_range": (0, 5), "variable_axes": (1,)})
class Positional(layers.Layer):
    def build(self, s):
        self.t = self.add_weight(shape=(5, 6), name="t")

    def call(self, x):
        e = ops.take(ops.convert_to_tensor(self.t), x, axis=0)
        n = ops.shape(x)[1]
        p = ops.sin(ops.cast(ops.arange(n), self.compute_dtype))[None, :, None]
        return e + p

    def compute_output_shape(self, s):
        return (*s, 6)


@good(rnd(3, 6, 4), {"mask": "resample", "variable_axes": (1,)})
class PoolMask(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, x, mask=None):
        if mask is not None:
            x = ops.where(mask[..., None], x, ops.zeros_like(x))
        return x[:, ::2]

    def compute_mask(self, x, mask=None):
        return None if mask is None else mask[:, ::2]

    def compute_output_shape(self, s):
        return (s[0], None if s[1] is None else -(-s[1] // 2), s[2])


@good(rnd(3, 6, 4), {"mask": "consume", "variable_axes": (1,)})
class AttnPool(layers.Layer):
    def build(self, s):
        self.v = self.add_weight(shape=(s[-1], 1), name="v")

    def call(self, x, mask=None):
        if mask is not None:
            x = ops.where(mask[..., None], x, ops.zeros_like(x))
        a = ops.matmul(x, self.v)
        if mask is not None:
            a = ops.where(mask[..., None], a, ops.cast(-3e4, a.dtype))
        return ops.sum(ops.softmax(a, axis=1) * x, 1)

    def compute_output_shape(self, s):
        return (s[0], s[2])


@good(rnd(3, 5, 4), {"variable_axes": (1,)})
class SortedTopK(layers.Layer):
    def call(self, x):
        return ops.sort(x, axis=1)[:, -2:]

    def compute_output_shape(self, s):
        return (s[0], 2, s[2])


@good(rnd(3, 6, 4), {"mask": "propagate", "variable_axes": (1,)})
class InnerGru(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.rnn = layers.GRU(4, return_sequences=True, dtype=self.dtype_policy)
        self.supports_masking = True

    def build(self, s):
        self.rnn.build(s)

    def call(self, x, mask=None):
        if mask is not None:
            x = ops.where(mask[..., None], x, ops.zeros_like(x))
        return self.rnn(x, mask=mask)

    def compute_output_shape(self, s):
        return (s[0], s[1], 4)


@good(rnd(3, 6, 4), {"equivariant_axes": (1,), "variable_axes": (1,)})
class DeepSets(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.d = layers.Dense(4, dtype=self.dtype_policy)

    def build(self, s):
        self.d.build(s)

    def call(self, x):
        return self.d(x - ops.mean(x, 1, keepdims=True))

    def compute_output_shape(self, s):
        return s


@good(rnd(3, 10, 4), {"causal": True, "variable_axes": (1,)})
class ValidConv(layers.Layer):
    """No padding: the first output comes when the kernel is full."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv = layers.Conv1D(3, 3, dtype=self.dtype_policy)

    def build(self, s):
        self.conv.build(s)

    def call(self, x):
        return self.conv(x)
