"""One training step of a table, as functions of its state: no variable is read or written."""

from typing import Any, NamedTuple

from lamina._common import Array, State, branch
from lamina._common._direct import direct as ops
from lamina._common._fast import jit_compiled
from lamina.quantize._kmeans import kmeans
from lamina.quantize._nearest import distortion, nearest
from lamina.quantize._statistics import counted, moved, reseeded, tally

# The k-means start goes on until this many vectors a row were seen: the mean of 16 has a quarter of
# their spread.
VECTORS_PER_ROW = 16
# What becomes of a vector in training: it is learnt from, is masked or dropped, or is not finite.
USED, LEFT_OUT, BROKEN = 1, 0, -1


class Rules(NamedTuple):
    """How a table is searched and trained; `starting`: by a k-means on the first batches."""

    metric: str
    update: str
    decay: float
    starting: bool
    revive_below: float
    accumulation: int
    temperature: float

    @property
    def drawing(self) -> bool:
        """Does a training step draw vectors?"""
        return self.starting or self.revive_below > 0


def rows_of(state: State) -> Array:
    """The table as it is used."""
    if "kernel" in state:
        # A copy of the rows: a start sets them before the gradient is taken, which PyTorch refuses.
        return ops.matmul(state["codebook"] + 0, state["kernel"])
    return state["codebook"] + state["shift"] if "shift" in state else state["codebook"]


@jit_compiled
def kinds_of(vectors: Array, keep: Array | None) -> Array:
    """USED, LEFT_OUT or BROKEN for each vector."""
    finite = ops.isfinite(ops.sum(vectors, axis=-1))
    kinds = 2 * ops.cast(finite, "int32") - 1
    return kinds if keep is None else ops.where(keep, kinds, LEFT_OUT)


@jit_compiled
def looked_up(
    table: Array, vectors: Array, usable: Array, metric: str, noise: Array | None = None
) -> tuple[Array, Array]:
    """(values, codes) of the nearest rows; code -1 where a vector is not `usable`.

    `noise` is added to the scores of `nearest`.
    """
    found = nearest(ops.stop_gradient(vectors), ops.stop_gradient(table), metric, noise=noise)
    codes = ops.where(usable, found, -1)
    return ops.take(table, ops.maximum(codes, 0), axis=0), codes


@jit_compiled
def started(state: State, vectors: Array, kinds: Array, draw: Any, rules: Rules) -> Array:
    """The table, as the k-means start leaves it on the first batches."""
    table = rows_of(state)
    frozen = ops.stop_gradient(table)

    def start() -> Array:
        used = kinds == USED
        drawn = draw() if callable(draw) else draw
        return kmeans(frozen, state["counts"], vectors, used, drawn, rules.metric, rules.decay)

    waiting = ops.logical_not(_complete(state, rules))
    sound = ops.logical_and(ops.max(kinds) == USED, ops.min(kinds) != BROKEN)
    rows = branch(ops.logical_and(waiting, sound), start, lambda: frozen)
    # The gradient still reaches the rows through `table`.
    return table + ops.stop_gradient(rows - table) if rules.update == "gradient" else rows


@jit_compiled
def advanced(
    table: Array,
    state: State,
    vectors: Array,
    kinds: Array,
    codes: Array,
    draw: Any,
    rules: Rules,
) -> State:
    """The state after a step in which `vectors` were given `codes`, by name.

    `shift` and `kernel` are the optimiser's and not among it. `draw` is uniform on (0, 1), one
    number a vector; or a function that draws, called where it is needed. A batch with a vector
    that is not finite changes nothing: where one is, the others are rarely what they should be.
    """
    names = ("codebook", "counts", "hits", "seen", "number", "total", "waited", "revived")
    before = {name: state[name] for name in names if name in state}
    if vectors.shape[0] == 0:
        return before
    sound = ops.logical_and(ops.max(kinds) == USED, ops.min(kinds) != BROKEN)
    table = ops.stop_gradient(table)

    def after() -> State:
        new = _after(table, state, vectors, codes, draw, rules)
        return {name: ops.cast(value, before[name].dtype) for name, value in new.items()}

    return branch(sound, after, lambda: before)


def _after(
    table: Array, state: State, vectors: Array, codes: Array, draw: Any, rules: Rules
) -> State:
    size = table.shape[0]
    here, total = tally(vectors, codes, size)
    after = {"hits": counted(state["hits"], here)}
    number = ops.cast(here, table.dtype)
    due = None
    if rules.accumulation > 1:
        number, total = state["number"] + number, state["total"] + total
        due = _due(state, rules)
        after["number"] = ops.where(due, 0, number)
        after["total"] = ops.where(due, 0, total)
        after["waited"] = ops.where(due, 0, state["waited"] + 1)
    rows, counts = moved(table, _prior(state, number, rules), number, total, rules.decay)
    if rules.update != "ema":
        rows = table
    complete = _complete(state, rules)
    rows, counts, replaced = _revived(rows, counts, vectors, codes, draw, rules, complete)
    if due is not None:
        replaced = ops.where(due, replaced, 0)
        rows, counts = ops.where(due, rows, table), ops.where(due, counts, state["counts"])
    after["revived"] = state["revived"] + replaced
    after["counts"], after["codebook"] = counts, _without_shift(rows, state)
    if rules.starting:
        seen = state["seen"] + ops.minimum(ops.sum(here), VECTORS_PER_ROW * size)
        after["seen"] = ops.minimum(seen, VECTORS_PER_ROW * size)
    return after


def _due(state: State, rules: Rules) -> Array:
    """Does the table move in this step? While it starts, in each."""
    due = state["waited"] + 1 >= rules.accumulation
    complete = _complete(state, rules)
    return due if complete is None else ops.logical_or(due, ops.logical_not(complete))


def _complete(state: State, rules: Rules) -> Array | None:
    """Is the k-means start over? None without one."""
    if not rules.starting:
        return None
    return state["seen"] >= VECTORS_PER_ROW * state["codebook"].shape[0]


def _without_shift(rows: Array, state: State) -> Array:
    """What `codebook` becomes; unmoved numbers keep their bits."""
    if "kernel" in state:
        return state["codebook"]
    if "shift" not in state:
        return rows
    moved_rows = rows - ops.stop_gradient(state["shift"])
    return ops.where(rows == ops.stop_gradient(rows_of(state)), state["codebook"], moved_rows)


def _prior(state: State, number: Array, rules: Rules) -> Array:
    """A table that came from elsewhere weighs as much as the first batch does."""
    counts = state["counts"]
    return counts if rules.starting else ops.where(ops.all(counts == 0), ops.mean(number), counts)


def _revived(
    rows: Array,
    counts: Array,
    vectors: Array,
    codes: Array,
    draw: Any,
    rules: Rules,
    complete: Array | None,
) -> tuple[Array, Array, Array]:
    """(rows, counts, number of rows replaced)."""
    none = ops.zeros((), "int32")
    if not rules.revive_below:
        return rows, counts, none
    share = ops.mean(counts)
    dead = counts < share * rules.revive_below
    if complete is not None:
        # Rows that the start has not come to yet would all become copies of this batch's rows.
        dead = ops.logical_and(dead, ops.logical_or(complete, counts > 0))

    def revive() -> tuple[Array, Array, Array]:
        weight = distortion(vectors, ops.take(rows, ops.maximum(codes, 0), axis=0), rules.metric)
        drawn = draw() if callable(draw) else draw
        table, replaced = reseeded(rows, dead, vectors, codes >= 0, drawn, weight)
        number = ops.cast(ops.sum(ops.cast(replaced, "int32")), "int32")
        return table, ops.where(replaced, share, counts), number

    alive = branch(ops.any(dead), revive, lambda: (rows, counts, none))
    return alive[0], alive[1], alive[2]
