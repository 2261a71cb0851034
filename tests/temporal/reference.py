"""What the semantics of the temporal family say, one step at a time, in NumPy."""

import itertools

import keras
import numpy as np
import pytest

from tests.support import in_one


def slow(*values):
    """A case of `parametrize` that runs in `make test-all` only."""
    return pytest.param(*values, marks=pytest.mark.slow)


def to_numpy(x):
    """A tensor or a variable as a NumPy array."""
    return keras.ops.convert_to_numpy(x)


def windows(x, lags, mask=None, reset=None, initial="zeros"):
    """`x` `(batch, time, features)` at each of `lags`, as `(batch, time, len(lags), features)`.

    A masked sample is 0; nothing before a reset is seen; before the first sample there is 0 or,
    with `initial="edge"`, the first valid sample since the start.
    """
    batch, time, features = x.shape
    mask = np.ones((batch, time), bool) if mask is None else mask
    reset = np.zeros((batch, time), bool) if reset is None else reset
    seen = np.zeros((batch, time, len(lags), features), x.dtype)
    for b in range(batch):
        start, first = 0, None
        for t in range(time):
            if reset[b, t]:
                start, first = t, None
            if first is None and mask[b, t]:
                first = t
            for i, lag in enumerate(lags):
                source = t - lag
                if initial == "edge" and first is not None:
                    source = max(source, first)
                if source >= start and mask[b, source]:
                    seen[b, t, i] = x[b, source]
    return seen


def whole(layer, x, mask=None, reset=None):
    """The outputs of the layer for a whole sequence."""
    return to_numpy(in_one(layer)(x, mask=mask, reset=reset))


def stream(layer, x, split, mask=None, reset=None):
    """`x` pushed through `layer.step` in blocks of the lengths `split`: the outputs, joined."""
    state, pieces, begin = layer.initial_state(x.shape[0]), [], 0
    step = in_one(layer.step)
    for length in split:
        part = slice(begin, begin + length)
        y, state = step(
            keras.ops.convert_to_tensor(x[:, part]),
            state,
            mask=None if mask is None else keras.ops.convert_to_tensor(mask[:, part]),
            reset=None if reset is None else keras.ops.convert_to_tensor(reset[:, part]),
        )
        pieces.append(to_numpy(y))
        begin += length
    return np.concatenate(pieces, axis=1)


def alone(layer, time):
    """`layer` as a function of one piece `(time, features)` of a row. It reads no future, so pieces
    of every length run as one of `time` steps: one shape to compile for.
    """
    run = in_one(layer)

    def outputs(piece):
        after = np.zeros((time - len(piece), piece.shape[1]), piece.dtype)
        return to_numpy(run(np.concatenate([piece, after])[None]))[0, : len(piece)]

    return outputs


def segments(function, x, mask=None, reset=None, initial="zeros"):
    """`function` `(time, features) -> (time, units)` on each piece of each row between resets.

    A masked sample is 0 and so is its output; with `initial="edge"` what comes before the first
    valid sample of a piece is left out.
    """
    mask = np.ones(x.shape[:2], bool) if mask is None else mask
    reset = np.zeros(x.shape[:2], bool) if reset is None else reset
    y = np.zeros((*x.shape[:2], function(x[0, :1]).shape[-1]), x.dtype)
    for b in range(len(x)):
        starts = sorted({0, x.shape[1], *np.flatnonzero(reset[b])})
        for begin, end in itertools.pairwise(starts):
            valid = np.flatnonzero(mask[b, begin:end])
            if initial == "edge":
                begin += valid[0] if valid.size else end - begin
            kept = mask[b, begin:end, None]
            y[b, begin:end] = np.where(kept, function(np.where(kept, x[b, begin:end], 0)), 0)
    return y
