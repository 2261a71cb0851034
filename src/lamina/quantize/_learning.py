"""One training step of a table, as a function of its state: no variable is read or written."""

from typing import NamedTuple

from keras import ops

from lamina._common import Array, State, from_first_replica, sum_over_replicas
from lamina._common._fast import jit_compiled
from lamina.quantize._nearest import distortion, nearest
from lamina.quantize._statistics import kmeans, moved, reseeded, tally

# The k-means start goes on until this many vectors a row were seen: the mean of 16 has a quarter of
# their spread.
VECTORS_PER_ROW = 16


class Rules(NamedTuple):
    """How a table is searched and trained; `starting`: by a k-means on the first batches."""

    metric: str
    update: str
    decay: float
    starting: bool
    revive_below: float


def rows_of(state: State) -> Array:
    """The table as it is used."""
    return state["codebook"] + state["shift"] if "shift" in state else state["codebook"]


@jit_compiled
def looked_up(table: Array, vectors: Array, keep: Array | None, metric: str) -> tuple[Array, Array]:
    """(values, codes) of the nearest rows; code -1 where a vector is left out or not finite."""
    return _look_up(table, vectors, _usable(vectors, keep), metric)


@jit_compiled
def learned(
    state: State, vectors: Array, keep: Array | None, draw: Array, rules: Rules
) -> tuple[Array, Array, State]:
    """(values, codes, state) after one step; `shift` is the optimiser's and not among the state.

    `draw` is uniform on (0, 1), one number a vector; the vectors must be at least one.
    """
    usable = _usable(vectors, keep)
    table = rows_of(state)
    if rules.starting:
        table = _started(table, state, vectors, usable, draw, rules)
    values, codes = _look_up(table, vectors, usable, rules.metric)
    return values, codes, _after(ops.stop_gradient(table), state, vectors, codes, draw, rules)


def _usable(vectors: Array, keep: Array | None) -> Array:
    finite = ops.isfinite(ops.sum(vectors, axis=-1))
    return finite if keep is None else ops.logical_and(finite, keep)


def _look_up(table: Array, vectors: Array, usable: Array, metric: str) -> tuple[Array, Array]:
    found = nearest(ops.stop_gradient(vectors), ops.stop_gradient(table), metric)
    codes = ops.where(usable, found, -1)
    return ops.take(table, ops.maximum(codes, 0), axis=0), codes


def _started(
    table: Array, state: State, vectors: Array, usable: Array, draw: Array, rules: Rules
) -> Array:
    """The table, as the k-means start leaves it on the first batches."""

    def start() -> Array:
        return kmeans(frozen, state["counts"], vectors, usable, draw, rules.metric, rules.decay)

    frozen = ops.stop_gradient(table)
    waiting = ops.logical_and(state["seen"] < VECTORS_PER_ROW * table.shape[0], ops.any(usable))
    rows = from_first_replica(ops.cond(waiting, start, lambda: frozen))
    # The gradient still reaches the rows through `table`.
    return table + ops.stop_gradient(rows - table) if rules.update == "gradient" else rows


def _after(
    table: Array, state: State, vectors: Array, codes: Array, draw: Array, rules: Rules
) -> State:
    """The state after the step, by name."""
    size = table.shape[0]
    number, total = tally(vectors, codes, size)
    number, total = sum_over_replicas(number), sum_over_replicas(total)
    here = ops.cast(number, "int32")
    rows, counts = moved(table, _prior(state, number, rules), number, total, rules.decay)
    if rules.update == "gradient":
        rows = table
    rows, counts = _revived(rows, counts, vectors, codes, draw, rules)
    after = {"counts": counts, "hits": state["hits"] + here}
    after["codebook"] = _without_shift(rows, state)
    if rules.starting:
        after["seen"] = ops.minimum(state["seen"] + ops.sum(here), VECTORS_PER_ROW * size)
    return after


def _without_shift(rows: Array, state: State) -> Array:
    """What `codebook` becomes; unmoved numbers keep their bits."""
    if "shift" not in state:
        return rows
    moved_rows = rows - ops.stop_gradient(state["shift"])
    return ops.where(rows == ops.stop_gradient(rows_of(state)), state["codebook"], moved_rows)


def _prior(state: State, number: Array, rules: Rules) -> Array:
    """A table that came from elsewhere weighs as much as the first batch does."""
    counts = state["counts"]
    return counts if rules.starting else ops.where(ops.all(counts == 0), ops.mean(number), counts)


def _revived(
    rows: Array, counts: Array, vectors: Array, codes: Array, draw: Array, rules: Rules
) -> tuple[Array, Array]:
    if not rules.revive_below:
        return rows, counts
    share = ops.mean(counts)
    dead = counts < share * rules.revive_below

    def revive() -> tuple[Array, Array]:
        weight = distortion(vectors, ops.take(rows, ops.maximum(codes, 0), axis=0), rules.metric)
        table, replaced = reseeded(rows, dead, vectors, codes >= 0, draw, weight)
        return table, ops.where(replaced, share, counts)

    alive = ops.cond(ops.any(dead), revive, lambda: (rows, counts))
    return alive[0], alive[1]
