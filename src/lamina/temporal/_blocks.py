"""A state-space filter over whole sequences, block by block (see `_state_space`)."""

from keras import ops

# Keras' `matmul` on PyTorch computes float64 in float32; its `einsum` does not.


def run(tables, x, state, reset=None):
    """Outputs `(batch, n, features)` of `x` after `state` `(batch, features, s)`; the new state.

    `tables` are those of `block_tables` for blocks of L steps. A step where `reset` `(batch, n)`
    is true starts from a state of zeros. `x` must be finite.
    """
    length = tables["impulse"].shape[0]
    batch, n = ops.shape(x)[:2]
    features = x.shape[2]
    blocks = n // length + 1
    rest = n - (blocks - 1) * length  # steps in the last block, 0 to L - 1
    spare = blocks * length - n
    # In this order: TensorFlow pads the last axis ten times faster than the one before it.
    x = ops.pad(ops.transpose(x, (0, 2, 1)), [[0, 0], [0, 0], [0, spare]])
    x = ops.reshape(x, (batch, features, blocks, length))
    epochs = None
    if reset is not None:
        epochs = ops.cumsum(ops.cast(ops.pad(reset, [[0, 0], [0, spare]]), "int32"), axis=1)
        epochs = ops.reshape(epochs, (batch, blocks, length))
        before = ops.pad(epochs[:, :-1, -1:], [[0, 0], [1, 0], [0, 0]])
        epochs = epochs - before  # resets since the block began
    reach = ops.flip(tables["reach"], axis=0)
    if epochs is None:
        y = _times(x, ops.transpose(_toeplitz(tables["impulse"])))
        given = _times(x, reach)
    else:
        y, given = _with_resets(tables, x, reach, epochs)
    states = _states(tables, given, state, epochs)
    seen = _times(states, ops.transpose(tables["see"]))
    if epochs is not None:
        seen = ops.where((epochs == 0)[:, None], seen, ops.zeros_like(seen))
    y = y + seen
    y = ops.reshape(y, (batch, features, blocks * length))[:, :, :n]

    # The state after the last, unfinished block.
    shifted = ops.concatenate([reach, ops.zeros_like(reach)], axis=0)
    shifted = ops.reshape(shifted[length - rest : 2 * length - rest], reach.shape)
    last, kept = x[:, :, -1:], _times(states[:, :, -1:], ops.transpose(tables["powers"][rest]))
    if epochs is not None:
        last = _since_reset(last, epochs[:, -1:])
        kept = ops.where(epochs[:, None, -1:, -1:] == 0, kept, ops.zeros_like(kept))
    return ops.transpose(y, (0, 2, 1)), (kept + _times(last, shifted))[:, :, 0]


def _with_resets(tables, x, reach, epochs):
    """Outputs of each block and what it adds to the state, where nothing passes a reset."""
    same = epochs[:, :, :, None] == epochs[:, :, None, :]
    toeplitz = _toeplitz(tables["impulse"])
    own = ops.where(same, toeplitz, ops.zeros_like(toeplitz))
    return ops.einsum("bfkj,bkij->bfki", x, own), _times(_since_reset(x, epochs), reach)


def _since_reset(x, epochs):
    """`x` of each block after its last reset, and 0 before."""
    return ops.where((epochs == epochs[:, :, -1:])[:, None], x, ops.zeros_like(x))


def _toeplitz(impulse):
    length = impulse.shape[0]
    lag = ops.arange(length, dtype="int32")[:, None] - ops.arange(length, dtype="int32")
    toeplitz = ops.take(impulse, ops.maximum(lag, 0), axis=0)
    return ops.where(lag >= 0, toeplitz, ops.zeros_like(toeplitz))


def _times(x, matrix):
    """`x` `(batch, features, blocks, i)` times `(i, j)`, as one product of two matrices."""
    shape = ops.shape(x)[:3]
    rows = ops.reshape(x, (shape[0] * shape[1] * shape[2], matrix.shape[0]))
    return ops.reshape(ops.einsum("ni,ij->nj", rows, matrix), (*shape, matrix.shape[1]))


def _states(tables, given, state, epochs):
    """The state at the start of every block, by doubling."""
    sums = ops.concatenate([state[:, :, None], given[:, :, :-1]], axis=2)
    blocks = ops.shape(sums)[2]
    own = ops.ones((1, 1, blocks, 1), "bool")
    if epochs is not None:
        own = ops.pad(epochs[:, :-1, -1:] == 0, [[0, 0], [1, 0], [0, 0]])[:, None]

    def one_pass(level, shift, own, sums):
        jump = ops.take(tables["jumps"], level, axis=0)
        earlier = _times(sums[:, :, : blocks - shift], ops.transpose(jump))
        earlier = ops.concatenate([ops.zeros_like(sums[:, :, :shift]), earlier], axis=2)
        sums = sums + ops.where(own, earlier, ops.zeros_like(earlier))
        before = ops.zeros_like(own[:, :, :shift])
        return ops.logical_and(
            own, ops.concatenate([before, own[:, :, : blocks - shift]], axis=2)
        ), sums

    if isinstance(blocks, int):
        level = 0
        while 2**level < blocks:
            own, sums = one_pass(level, 2**level, own, sums)
            level += 1
        return sums

    # Only a TensorFlow graph has an unknown length.
    def body(level, shift, own, sums):
        new_own, new_sums = one_pass(level, shift, own, sums)
        new_own = ops.reshape(new_own, ops.shape(own))
        return level + 1, shift * 2, new_own, ops.reshape(new_sums, ops.shape(sums))

    start = (ops.convert_to_tensor(0, "int32"), ops.convert_to_tensor(1, "int32"), own, sums)
    return ops.while_loop(lambda level, shift, *_: shift < blocks, body, start)[3]
