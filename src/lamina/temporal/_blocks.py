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
    epochs = None if reset is None else _epochs(reset, blocks, length)
    reach = ops.flip(tables["reach"], axis=0)
    given = _times(x if epochs is None else _since_reset(x, epochs), reach)
    states = _states(tables, given, state, epochs)
    y = _outputs(tables, x, states, epochs)
    y = ops.reshape(y, (batch, features, blocks * length))[:, :, :n]

    # The state after the last, unfinished block.
    shifted = ops.concatenate([reach, ops.zeros_like(reach)], axis=0)
    shifted = ops.reshape(shifted[length - rest : 2 * length - rest], reach.shape)
    last, kept = x[:, :, -1:], _times(states[:, :, -1:], ops.transpose(tables["powers"][rest]))
    if epochs is not None:
        last = _since_reset(last, epochs[:, -1:])
        kept = ops.where(epochs[:, None, -1:, -1:] == 0, kept, ops.zeros_like(kept))
    return ops.transpose(y, (0, 2, 1)), (kept + _times(last, shifted))[:, :, 0]


def _outputs(tables, x, states, epochs):
    """What a block's inputs and the state before it give."""
    toeplitz, see = _toeplitz(tables["impulse"]), ops.transpose(tables["see"])
    if epochs is None:  # one product: half of the time goes into writing what it gives
        both = ops.concatenate([ops.transpose(toeplitz), see], axis=0)
        return _times(ops.concatenate([x, states], axis=3), both)
    same = epochs[:, :, :, None] == epochs[:, :, None, :]
    own = ops.where(same, toeplitz, ops.zeros_like(toeplitz))
    seen = _times(states, see)
    seen = ops.where((epochs == 0)[:, None], seen, ops.zeros_like(seen))
    return ops.einsum("bfkj,bkij->bfki", x, own) + seen


def _since_reset(x, epochs):
    """`x` of each block after its last reset, and 0 before."""
    return ops.where((epochs == epochs[:, :, -1:])[:, None], x, ops.zeros_like(x))


def _toeplitz(kernel):
    """`kernel[i - j]` at `(i, j)`, and 0 where j > i."""
    length = kernel.shape[0]
    lag = ops.arange(length, dtype="int32")[:, None] - ops.arange(length, dtype="int32")
    toeplitz = ops.take(kernel, ops.maximum(lag, 0), axis=0)
    lag = ops.reshape(lag, (length, length) + (1,) * (len(kernel.shape) - 1))
    return ops.where(lag >= 0, toeplitz, ops.zeros_like(toeplitz))


def _times(x, matrix):
    """`x` `(batch, features, blocks, i)` times `(i, j)`, as one product of two matrices."""
    shape = ops.shape(x)[:3]
    rows = ops.reshape(x, (shape[0] * shape[1] * shape[2], matrix.shape[0]))
    return ops.reshape(ops.einsum("ni,ij->nj", rows, matrix), (*shape, matrix.shape[1]))


def _epochs(reset, blocks, length):
    """How many resets there are from the start of its block to each step, that one included."""
    batch, n = ops.shape(reset)[:2]
    counts = ops.cast(ops.pad(reset, [[0, 0], [0, blocks * length - n]]), "int32")
    return ops.cumsum(ops.reshape(counts, (batch, blocks, length)), axis=2)


def _states(tables, given, state, epochs):
    """The state at the start of every block."""
    terms = ops.concatenate([state[:, :, None], given[:, :, :-1]], axis=2)
    reset = None if epochs is None else ops.pad(epochs[:, :-1, -1] > 0, [[0, 0], [1, 0]])
    return _scan(tables["jumps"], terms, reset)


def _scan(jumps, terms, reset):
    """sum over j <= i of A^(i - j) terms_j, in groups; `jumps[0]` has A^0 to A^(group length).

    A group is one matrix product. From group to group it is the same sum, with the next of
    `jumps`. Where `reset` `(batch, blocks)` is true, nothing from before counts.
    """
    batch, features, blocks = ops.shape(terms)[:3]
    if isinstance(blocks, int) and blocks == 1:
        return terms
    length, size = jumps.shape[1] - 1, terms.shape[3]
    groups = -(-blocks // length)
    terms = ops.pad(terms, [[0, 0], [0, 0], [0, groups * length - blocks], [0, 0]])
    terms = ops.reshape(terms, (batch, features, groups, length * size))
    epochs = None if reset is None else _epochs(reset, groups, length)
    among = ops.transpose(_toeplitz(jumps[0, :length]), (1, 3, 0, 2))  # from j, s to i, t
    if epochs is None:
        sums = _times(terms, ops.reshape(among, (length * size, length * size)))
    else:
        same = ops.transpose(epochs[:, :, :, None] == epochs[:, :, None, :], (0, 1, 3, 2))
        own = ops.where(same[:, :, :, None, :, None], among, ops.zeros_like(among))
        own = ops.reshape(own, (batch, groups, length * size, length * size))
        sums = ops.einsum("bfgj,bgji->bfgi", terms, own)
    if jumps.shape[0] > 1:
        last = None if epochs is None else epochs[:, :, -1] > 0
        ends = _scan(jumps[1:], sums[..., -size:], last)
        before = ops.pad(ends[:, :, :-1], [[0, 0], [0, 0], [1, 0], [0, 0]])
        onward = ops.transpose(jumps[0, 1:], (2, 0, 1))  # from s to i, t
        carried = _times(before, ops.reshape(onward, (size, length * size)))
        if epochs is not None:
            fresh = ops.repeat(epochs == 0, size, axis=2)[:, None]
            carried = ops.where(fresh, carried, ops.zeros_like(carried))
        sums = sums + carried
    sums = ops.reshape(sums, (batch, features, groups * length, size))
    return sums[:, :, :blocks]
