"""What layers with a finite memory share: the block step, masks, resets and what came before."""

import keras
from keras import ops

from lamina._common import received
from lamina.temporal._inputs import check_features, mask_of, real_input
from lamina.temporal._scan import scan_time


class FiniteMemory(keras.layers.Layer):
    """A causal layer whose output at t reads the inputs at t - lag, for each of `lags`.

    A subclass says what it does with them: `_from_taps(taps)`, where `taps` is
    `(batch, n, len(lags), features)`; and, where something is faster than gathering them,
    `_from_seen(seen, n)`, where `seen` holds the past and, after it, the block of n steps.
    """

    def __init__(self, lags, initial="zeros", **kwargs):
        super().__init__(**kwargs)
        if initial not in ("zeros", "edge"):
            raise ValueError(
                '`initial` says what was before the first sample: "zeros", or "edge" for the '
                f"first valid sample repeated. {received('initial', initial)}"
            )
        self.lags = lags
        self.initial = initial
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
        x = real_input(self, x)
        if mask is not None:
            mask = ops.cast(mask, "bool")
            x = ops.where(mask[..., None], x, ops.zeros((), x.dtype))
        n = ops.shape(x)[1]
        seen = ops.concatenate([state["past"], x], axis=1)
        if reset is not None:
            y, state = self._with_resets(seen, n, state, mask, ops.cast(reset, "bool"))
        elif self.initial == "edge":
            seen, started = self._edge_before_first(seen, n, state["started"], mask)
            y, state = self._from_seen(seen, n), {"past": seen[:, n:], "started": started}
        else:
            y, state = self._from_seen(seen, n), {"past": seen[:, n:]}
        if mask is not None:
            y = ops.where(mask[..., None], y, ops.zeros((), y.dtype))
        return y, state

    def call(self, inputs, mask=None, reset=None):
        mask = mask_of(inputs) if mask is None else mask
        fresh = self.initial_state(ops.shape(inputs)[0])
        return self.step(inputs, fresh, mask, reset)[0]

    def _from_seen(self, seen, n):
        """Outputs of the last n steps of `seen`."""
        return self._from_taps(self._taps(seen, n))

    def _taps(self, seen, n):
        """`seen` at every lag of the last n steps: `(batch, n, len(lags), features)`."""
        places = max(self.lags) + ops.arange(n)[:, None] - ops.convert_to_tensor(self.lags, "int32")
        return ops.take(seen, places, axis=1)

    def _edge_before_first(self, seen, n, started, mask):
        """Rows that start in this block: their first valid sample, also before it."""
        valid = _valid(seen, n, mask)
        first = max(self.lags) + ops.argmax(valid, axis=1)[:, None]
        places = ops.arange(ops.shape(seen)[1])[None]
        before = ops.logical_and(ops.logical_not(started)[:, None], places < first)
        seen = ops.where(before[..., None], _at(seen, first), seen)
        return seen, ops.logical_or(started, ops.any(valid, axis=1))

    def _with_resets(self, seen, n, state, mask, reset):
        """As `_from_seen`, but no step sees what came before the last reset of its row."""
        memory = max(self.lags)
        places = memory + ops.arange(n + 1)  # of each step, and of the next block's first one
        marks = ops.where(ops.pad(reset, [[0, 0], [0, 1]]), places, 0)
        first = scan_time(ops.maximum, marks, 0)  # the oldest place that belongs to the step
        fill = ops.zeros((1, 1, 1), seen.dtype)
        after = {}
        if self.initial == "edge":
            first = self._first_valid(first, seen, n, state["started"], mask)
            fill = _at(seen, first)
            after["started"] = first[:, -1] < memory + n
        places = places[:n, None] - ops.convert_to_tensor(self.lags, "int32")
        own = places >= first[:, :n, None]
        taps = ops.where(own[..., None], ops.take(seen, places, axis=1), fill[:, :n, None])
        own = n + ops.arange(memory) >= first[:, -1:]
        after["past"] = ops.where(own[..., None], seen[:, n:], fill[:, -1:])
        return self._from_taps(taps), after

    def _first_valid(self, first, seen, n, started, mask):
        """The place of the first valid sample at or after each of `first`."""
        memory = max(self.lags)
        valid = ops.where(_valid(seen, n, mask), memory + ops.arange(n + 1), memory + n)
        valid = ops.flip(scan_time(ops.minimum, ops.flip(valid, axis=1), memory + n), axis=1)
        unbroken = ops.where(started[:, None], 0, valid[:, :1])
        here = ops.take_along_axis(valid, ops.maximum(first - memory, 0), axis=1)
        return ops.where(first == 0, unbroken, here)


def _valid(seen, n, mask):
    """Which of the n steps are valid, and a last one that is not: no row is ever empty."""
    if mask is None:
        mask = ops.ones((ops.shape(seen)[0], n), "bool")
    return ops.pad(mask, [[0, 0], [0, 1]])


def _at(seen, places):
    """`seen` at `places` `(batch, k)`; 0 just past its end."""
    padded = ops.pad(seen, [[0, 0], [0, 1], [0, 0]])
    return ops.take_along_axis(padded, places[..., None], axis=1)
