"""What layers with a finite memory share: the block step, masks, resets and what came before."""

import keras
from keras import ops

from lamina.temporal import _segments as segments
from lamina.temporal._inputs import check_features, checked_initial, marks_of, mask_of, real_input


class FiniteMemory(keras.layers.Layer):
    """A causal layer whose output at t reads the inputs at t - lag, for each of `lags`.

    A subclass says what it does with them: `_from_taps(taps)`, where `taps(lags)` gathers them as
    `(batch, n, len(lags), features)`; and, where something is faster than gathering,
    `_from_seen(seen, n)`, where `seen` holds the past and, after it, the block of n steps.
    """

    def __init__(self, lags, initial="zeros", **kwargs):
        super().__init__(**kwargs)
        self.lags = lags
        self.initial = checked_initial(initial)
        self.supports_masking = True

    @property
    def receptive_field(self):
        """Time steps that one output depends on, the current one included."""
        return max(self.lags) + 1

    @property
    def block_size(self):
        """A block may hold any number of steps."""
        return 1

    @property
    def output_ratio(self):
        """Outputs per input."""
        return 1

    def build(self, input_shape):
        self.features = check_features(self, input_shape)
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: self.features})

    def initial_state(self, batch):
        """The state of `batch` rows that have seen nothing."""
        state = {"past": ops.zeros((batch, max(self.lags), self.features), self.compute_dtype)}
        if self.initial == "edge":
            state["started"] = ops.zeros((batch,), "bool")
        return state

    def step(self, x, state, mask=None, reset=None):
        """Outputs of a block `(batch, n, features)`, n >= 0, that follows `state`; the new state.

        `mask` and `reset` are `(batch, n)`. A true `reset` starts its row anew at that step.
        """
        mask, reset = marks_of("mask", mask, x), marks_of("reset", reset, x)
        x = _heard(real_input(self, x), mask)
        n = ops.shape(x)[1]
        seen = ops.concatenate([state["past"], x], axis=1)
        after = {}
        if reset is not None:
            y, after = self._with_resets(seen, n, state, mask, reset)
        else:
            if self.initial == "edge":
                seen, after["started"] = self._edge_before_first(seen, n, state["started"], mask)
            y, after["past"] = self._from_seen(seen, n), seen[:, n:]
        return _heard(y, mask), after

    def call(self, inputs, mask=None, reset=None):
        mask = mask_of(inputs) if mask is None else mask
        if reset is None and self.initial == "zeros":
            mask = marks_of("mask", mask, inputs)
            return _heard(self._from_start(_heard(real_input(self, inputs), mask)), mask)
        fresh = self.initial_state(ops.shape(inputs)[0])
        return self.step(inputs, fresh, mask, reset)[0]

    def _from_start(self, x):
        """Outputs of a whole sequence with zeros before it."""
        past = self.initial_state(ops.shape(x)[0])["past"]
        return self._from_seen(ops.concatenate([past, x], axis=1), ops.shape(x)[1])

    def _from_seen(self, seen, n):
        """Outputs of the last n steps of `seen`."""
        places = max(self.lags) + ops.arange(n, dtype="int32")

        def taps(lags):
            return _taken(seen, _back(places, lags))

        return self._from_taps(taps)

    def _edge_before_first(self, seen, n, started, mask):
        """`seen` with, before the first valid sample of a row, that sample."""
        mask = segments.all_valid(seen[:, max(self.lags) :]) if mask is None else mask
        first = segments.first_valid_in_row(n, max(self.lags), started, mask)
        before = ops.arange(ops.shape(seen)[1], dtype="int32") < first
        seen = ops.where(before[..., None], segments.at(seen, first), seen)
        return seen, first[:, 0] < max(self.lags) + n

    def _with_resets(self, seen, n, state, mask, reset):
        """As `_from_seen`, but no step sees what came before the last reset of its row."""
        memory = max(self.lags)
        first = segments.begins(reset, n, memory)
        fill = ops.zeros((1, 1, 1), seen.dtype)
        after = {}
        if self.initial == "edge":
            mask = segments.all_valid(reset) if mask is None else mask
            first = segments.first_valid(first, n, memory, state["started"], mask)
            fill = segments.at(seen, first)
            after["started"] = first[:, -1] < memory + n
        places = memory + ops.arange(n, dtype="int32")

        def taps(lags):
            back = _back(places, lags)
            own = back >= first[:, :n, None]
            return ops.where(own[..., None], _taken(seen, back), fill[:, :n, None])

        own = n + ops.arange(memory, dtype="int32") >= first[:, -1:]
        after["past"] = ops.where(own[..., None], seen[:, n:], fill[:, -1:])
        return self._from_taps(taps), after


def _heard(x, mask):
    """`x`, 0 where it is masked."""
    if mask is None:
        return x
    return ops.where(mask[..., None], x, ops.zeros((), x.dtype))


def _back(places, lags):
    """Each of `places` less each of `lags`: `(n, len(lags))`."""
    return places[:, None] - ops.convert_to_tensor(lags, "int32")


def _taken(seen, places):
    """`seen` `(batch, steps, features)` at `places` `(n, lags)`: `(batch, n, lags, features)`."""
    if seen.shape[1] == 0:  # Of nothing, JAX would give fewer axes.
        return ops.zeros((ops.shape(seen)[0], *places.shape, seen.shape[2]), seen.dtype)
    return ops.take(seen, places, axis=1)
