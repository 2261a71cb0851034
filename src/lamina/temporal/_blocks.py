"""A state-space filter over sequences, block by block (see `_state_space`).

Steps between two resets are a segment; `segment_ids` number those of a block from 0, which is the
segment that the block before it left off in.
"""

from typing import Any

from keras import ops

from lamina._common import Array
from lamina._common._fast import product


def run(
    tables: dict[str, Array], x: Array, state: Array, reset: Array | None = None
) -> tuple[Array, Array]:
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
    segment_ids = None if reset is None else _numbered(reset, blocks, length)
    reach = ops.flip(tables["reach"], axis=0)
    given = _times(x if segment_ids is None else _since_reset(x, segment_ids), reach)
    states = _states(tables, given, state, segment_ids)
    y = _outputs(tables, x, states, segment_ids)
    y = ops.reshape(y, (batch, features, blocks * length))[:, :, :n]

    # The state after the last, unfinished block.
    shifted = ops.concatenate([reach, ops.zeros_like(reach)], axis=0)
    shifted = ops.reshape(shifted[length - rest : 2 * length - rest], reach.shape)
    last, kept = x[:, :, -1:], _times(states[:, :, -1:], ops.transpose(tables["powers"][rest]))
    if segment_ids is not None:
        last = _since_reset(last, segment_ids[:, -1:])
        kept = ops.where(segment_ids[:, None, -1:, -1:] == 0, kept, ops.zeros_like(kept))
    return ops.transpose(y, (0, 2, 1)), (kept + _times(last, shifted))[:, :, 0]


def _outputs(tables: dict[str, Array], x: Array, states: Array, segment_ids: Array | None) -> Array:
    """What a block's inputs and the state before it give."""
    toeplitz, see = _toeplitz(tables["impulse"]), ops.transpose(tables["see"])
    if segment_ids is None:  # one product: half of the time goes into writing what it gives
        both = ops.concatenate([ops.transpose(toeplitz), see], axis=0)
        return _times(ops.concatenate([x, states], axis=3), both)
    same = segment_ids[:, :, :, None] == segment_ids[:, :, None, :]
    own = ops.where(same, toeplitz, ops.zeros_like(toeplitz))
    seen = _times(states, see)
    seen = ops.where((segment_ids == 0)[:, None], seen, ops.zeros_like(seen))
    return ops.einsum("bfkj,bkij->bfki", x, own) + seen


def _since_reset(x: Array, segment_ids: Array) -> Array:
    """`x` of each block after its last reset, and 0 before."""
    return ops.where((segment_ids == segment_ids[:, :, -1:])[:, None], x, ops.zeros_like(x))


def _toeplitz(kernel: Array) -> Array:
    """`kernel[i - j]` at `(i, j)`, and 0 where j > i."""
    length = kernel.shape[0]
    lag = ops.arange(length, dtype="int32")[:, None] - ops.arange(length, dtype="int32")
    toeplitz = ops.take(kernel, ops.maximum(lag, 0), axis=0)
    lag = ops.reshape(lag, (length, length) + (1,) * (len(kernel.shape) - 1))
    return ops.where(lag >= 0, toeplitz, ops.zeros_like(toeplitz))


def _times(x: Array, matrix: Array) -> Array:
    """`x` `(batch, features, blocks, i)` times `(i, j)`, as one product of two matrices."""
    shape = ops.shape(x)[:3]
    rows = ops.reshape(x, (shape[0] * shape[1] * shape[2], matrix.shape[0]))
    return ops.reshape(product(rows, matrix), (*shape, matrix.shape[1]))


def _numbered(reset: Array, blocks: Any, length: int) -> Array:
    """The segment of each step: how many resets its block has up to it, that one included."""
    batch, n = ops.shape(reset)[:2]
    counts = ops.cast(ops.pad(reset, [[0, 0], [0, blocks * length - n]]), "int32")
    return ops.cumsum(ops.reshape(counts, (batch, blocks, length)), axis=2)


def _states(
    tables: dict[str, Array], given: Array, state: Array, segment_ids: Array | None
) -> Array:
    """The state at the start of every block."""
    terms = ops.concatenate([state[:, :, None], given[:, :, :-1]], axis=2)
    reset = None if segment_ids is None else ops.pad(segment_ids[:, :-1, -1] > 0, [[0, 0], [1, 0]])
    return _scan(tables["jumps"], terms, reset)


def _scan(jumps: Array, terms: Array, reset: Array | None) -> Array:
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
    segment_ids = None if reset is None else _numbered(reset, groups, length)
    within = ops.transpose(_toeplitz(jumps[0, :length]), (1, 3, 0, 2))  # from j, s to i, t
    if segment_ids is None:
        sums = _times(terms, ops.reshape(within, (length * size, length * size)))
    else:
        same = ops.transpose(segment_ids[:, :, :, None] == segment_ids[:, :, None, :], (0, 1, 3, 2))
        own = ops.where(same[:, :, :, None, :, None], within, ops.zeros_like(within))
        own = ops.reshape(own, (batch, groups, length * size, length * size))
        sums = ops.einsum("bfgj,bgji->bfgi", terms, own)
    if jumps.shape[0] > 1:
        last = None if segment_ids is None else segment_ids[:, :, -1] > 0
        ends = _scan(jumps[1:], sums[..., -size:], last)
        before = ops.pad(ends[:, :, :-1], [[0, 0], [0, 0], [1, 0], [0, 0]])
        onward = ops.transpose(jumps[0, 1:], (2, 0, 1))  # from s to i, t
        carried = _times(before, ops.reshape(onward, (size, length * size)))
        if segment_ids is not None:
            fresh = ops.repeat(segment_ids == 0, size, axis=2)[:, None]
            carried = ops.where(fresh, carried, ops.zeros_like(carried))
        sums = sums + carried
    sums = ops.reshape(sums, (batch, features, groups * length, size))
    return sums[:, :, :blocks]
