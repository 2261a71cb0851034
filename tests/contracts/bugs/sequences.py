"""Bugs of masks, time, or the state of a cell."""

from keras import layers, ops

from tests.contracts.bugs._table import Plain, bug, rnd


@bug("mask.flow", x=rnd(2, 5, 4), traits={"mask": "propagate"})
class WrongMaskShape(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_mask(self, x, mask=None):
        return None if mask is None else ops.expand_dims(mask, -1)

    def call(self, x, mask=None):
        return x if mask is None else ops.where(mask[..., None], x, 0.0)


@bug("mask.nan_padding", x=rnd(2, 5, 4), traits={"mask": "consume"})
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


@bug("mask.flow", x=rnd(2, 5, 4), traits={"mask": "create"})
class CreatesNone(Plain):
    def call(self, x):
        return x


@bug("mask.flow", x=rnd(2, 6, 4), traits={"mask": "resample"})
class PoolKeepsMask(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, x, mask=None):
        if mask is not None:
            x = ops.where(mask[..., None], x, 0.0)
        return x[:, ::2]


@bug("mask.flow", x=rnd(2, 5, 4), traits={"mask": "propagate"})
class MaskInverted(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_mask(self, x, mask=None):
        return None if mask is None else ops.logical_not(mask)

    def call(self, x):
        return x * 2


@bug("mask.flow", x=rnd(2, 5, 4), traits={"mask": "consume"})
class PoolPasses(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, x, mask=None):
        if mask is None:
            return ops.mean(x, 1)
        m = ops.cast(mask, x.dtype)[..., None]
        return ops.sum(ops.where(mask[..., None], x, 0.0), 1) / ops.maximum(ops.sum(m, 1), 1)


@bug("mask.invariance", x=rnd(2, 5, 4), traits={"mask": "consume"})
class MaxIgnores(layers.Layer):
    def call(self, x, mask=None):
        return ops.max(x, 1)


@bug("mask.nan_padding", x=rnd(2, 5, 4), traits={"mask": "consume"})
class MultipliesMask(layers.Layer):
    def call(self, x, mask=None):
        if mask is None:
            return ops.mean(x, 1)
        m = ops.cast(mask, x.dtype)[..., None]
        return ops.sum(x * m, 1) / ops.maximum(ops.sum(m, 1), 1)


@bug("mask.invariance", x=rnd(2, 5, 4), traits={"mask": "consume"})
class LastStep(layers.Layer):
    def call(self, x, mask=None):
        return x[:, -1]


@bug("mask.invariance", x=rnd(2, 5, 4), traits={"mask": "consume"})
class DividesByLen(layers.Layer):
    """max with zero for masked and NaN mix"""

    def call(self, x, mask=None):
        if mask is None:
            return ops.max(x, 1)
        return ops.max(x + (1 - ops.cast(mask, x.dtype))[..., None] * -3.0, 1)


@bug("mask.all_masked", x=rnd(2, 5, 4), traits={"mask": "consume"})
class SoftPoolInf(layers.Layer):
    def build(self, s):
        self.v = self.add_weight(shape=(s[-1], 1))

    def call(self, x, mask=None):
        if mask is not None:
            x = ops.where(mask[..., None], x, 0.0)
        s = ops.matmul(x, self.v)
        if mask is not None:
            s = ops.where(mask[..., None], s, float("-inf"))
        return ops.sum(ops.softmax(s, axis=1) * x, 1)


@bug("cell.state_spec", x=rnd(2, 4), units=3)
class CellF32State(layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = units

    def build(self, s):
        self.k = self.add_weight(shape=(s[-1], self.units))
        self.r = self.add_weight(shape=(self.units, self.units))

    def call(self, x, states):
        h = ops.tanh(ops.matmul(x, self.k) + ops.matmul(states[0], self.r))
        return h, h[:, :2]


@bug("cell.state_spec", x=rnd(2, 4), units=3)
class CellTwoStates(layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = [units, units]

    def build(self, s):
        self.k = self.add_weight(shape=(s[-1], self.units))

    def call(self, x, states):
        h = ops.tanh(ops.matmul(x, self.k) + states[0])
        return h, [h]


@bug("cell.state_spec", x=rnd(2, 4), units=3)
class CellInitState(layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = units

    def build(self, s):
        self.k = self.add_weight(shape=(s[-1], self.units))

    def get_initial_state(self, batch_size=None):
        return [ops.zeros((batch_size, self.units + 1), dtype=self.compute_dtype)]

    def call(self, x, states):
        h = ops.tanh(ops.matmul(x, self.k) + states[0])
        return h, [h]


@bug("cell.state_spec", x=rnd(2, 4), units=3)
class CellOutput(layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = units
        self.output_size = units + 1

    def build(self, s):
        self.k = self.add_weight(shape=(s[-1], self.units))

    def call(self, x, states):
        h = ops.tanh(ops.matmul(x, self.k) + states[0])
        return h, [h]


@bug("trait.causal", x=rnd(2, 6, 3), traits={"causal": True})
class SameConv(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.c = layers.Conv1D(3, 3, padding="same")

    def build(self, s):
        self.c.build(s)

    def call(self, x):
        return self.c(x)


@bug("trait.causal", x=rnd(2, 6, 3), traits={"causal": True})
class OffByOneMask(Plain):
    def call(self, x):
        n = x.shape[1]
        s = ops.matmul(x, ops.transpose(x, (0, 2, 1)))
        keep = ops.cast(ops.tri(n, k=1), "bool")
        return ops.matmul(ops.softmax(ops.where(keep, s, ops.cast(-3e4, s.dtype))), x)
