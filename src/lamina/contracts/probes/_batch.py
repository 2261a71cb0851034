"""The contract of the batch: no row's output depends on another row."""

import keras
import numpy as np

from lamina.contracts._contract import Answer, advice, broken, contract, skipped
from lamina.contracts.harness import (
    Case,
    LayerFailed,
    difference,
    other_rows_varied,
    rows,
    same_shapes,
    vary,
)


def _row(arrays, index, axes):
    """Row `index` of each output that has a batch axis."""
    return [np.take(y, index, axis=a) for y, a in zip(arrays, axes, strict=True) if a is not None]


def _batch_axes(case, arrays):
    """Where the batch is in each output; None where it is not."""
    declared = case.traits.batch_axes_out
    axes = declared if isinstance(declared, tuple) else (declared,) * len(arrays)
    found = []
    for y, axis in zip(arrays, axes, strict=False):
        known = isinstance(axis, int) and not isinstance(axis, bool) and axis < y.ndim
        found.append(axis if known and y.shape[axis] == case.batch else None)
    return found


@contract(
    "batch.independent",
    rank=60,
    excused_by="batch_coupled",
    follows=("shape.batch_axis", "state.no_python_mutation"),
)
def rows_do_not_see_each_other(case: Case) -> Answer:
    """A row's output depends on the other rows of its batch.

    Promise: a row's output does not depend on the other rows.

    A layer that breaks it:

        def call(self, x):
            return ops.softmax(x, axis=0)

    Repair: reduce over named axes, never over axis 0.
    Trait: `batch_coupled` says that it is by design.
    """
    if case.traits.batch_coupled == "always":
        return skipped("the trait `batch_coupled` is declared")
    if case.batch < 2:
        if case.traits.fixed_batch:
            return skipped("a fixed batch of one row")
        case = case.with_inputs(_more_rows(case, 3))
    layer = case.ready(perturb=True)
    found = _coupled(case, layer, False)
    if found or case.traits.batch_coupled or True not in case.modes:
        return found
    coupled = _coupled(case, layer, True)
    if coupled:
        return advice(
            f"in training, {coupled.message}",
            "usual in normalisation and contrastive losses, a mistake elsewhere",
            "if it is by design, declare the trait `batch_coupled='train'`",
            trait="batch_coupled",
            **coupled.example,
        )


def _more_rows(case, count):
    """A larger batch of differing rows."""
    inputs = rows(case.inputs, range(count))
    kept = vary(inputs, case.rng, case.traits)

    def first(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        y = y.copy()
        y[:1] = x[:1]
        return y

    return keras.tree.map_structure(first, inputs, kept)


def _coupled(case, layer, training):
    try:
        before = case.call(layer, training=training)
    except LayerFailed:
        return None
    axes = _batch_axes(case, before)
    if not any(a is not None for a in axes):
        return None if training else skipped("no output has a batch axis: see shape.batch_axis")
    for keep in sorted({0, case.batch // 2, case.batch - 1}):
        for seed in (0, 1):
            rng = np.random.default_rng(seed)
            inputs = other_rows_varied(case.inputs, keep, rng, case.traits)
            after = case.call(layer, inputs, training)
            one, other = (_row(y, keep, _batch_axes(case, y)) for y in (before, after))
            if len(one) == len(other) and (worst := difference(one, other)):
                return _moved(keep, worst, "when the other rows changed")
    random = case.traits.stochastic == "always" or case.varies(layer, draws=1)
    if training or case.traits.fixed_batch or random:
        return None
    for keep in (0, case.batch - 1):
        alone = case.with_inputs(rows(case.inputs, [keep]))
        try:
            after = case.call(layer, alone.inputs)
        except LayerFailed:
            return None  # shape.any_batch reports it.
        one, other = _row(before, keep, axes), _row(after, 0, _batch_axes(alone, after))
        if same_shapes(one, other) and (worst := difference(one, other)):
            return _moved(keep, worst, "when it was alone in its batch")
    return None


def _moved(row, worst, when):
    return broken(
        f"row {row} moved by {worst.size:.3g} {when}",
        "predictions depend on what else is in the batch",
        "look for a reshape with -1, a sum or softmax over axis 0, the batch size in a formula",
        row=row,
        **worst.values(),
    )
