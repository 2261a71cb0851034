"""Contracts of the batch, the inputs and the forward values."""

import keras
import numpy as np

from lamina.contracts._contract import LayerFailed, advice, broken, contract, skipped
from lamina.contracts.harness._case import layer_code
from lamina.contracts.harness._compare import difference, leaves, not_finite
from lamina.contracts.harness._inputs import map_leaves, other_rows_varied, points, rows, vary


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
    excused_by="batch_coupled",
    follows=("shape.batch_axis", "state.no_python_mutation"),
)
def rows_do_not_see_each_other(case):
    """Changing every other row leaves a row's output as it was."""
    if case.traits.batch_coupled == "always":
        return skipped("the trait `batch_coupled` is declared")
    if case.batch < 2:
        if case.traits.fixed_batch:
            return skipped("a fixed batch of one row")
        case = case.with_inputs(vary_rows(case, 3))
    layer = case.ready(perturb=True)
    found = _coupled(case, layer, False)
    if found or case.traits.batch_coupled:
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


def vary_rows(case, count):
    """A larger batch of differing rows."""
    inputs = rows(case.inputs, range(count))
    kept = vary(inputs, case.rng, case.traits)

    def first(x, y):
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
            pair = [_row(y, keep, _batch_axes(case, y)) for y in (before, after)]
            if len(pair[0]) == len(pair[1]) and (worst := difference(*pair)):
                return _seen(keep, worst, "when the other rows changed")
    random = case.traits.stochastic == "always" or case.varies(layer, draws=1)
    if training or case.traits.fixed_batch or random:
        return None
    for keep in (0, case.batch - 1):
        alone = case.with_inputs(rows(case.inputs, [keep]))
        try:
            after = case.call(layer, alone.inputs)
        except LayerFailed:
            return None  # any_batch tells
        pair = _row(before, keep, axes), _row(after, 0, _batch_axes(alone, after))
        if len(pair[0]) == len(pair[1]) and all(
            a.shape == b.shape for a, b in zip(*pair, strict=True)
        ):
            if worst := difference(*pair):
                return _seen(keep, worst, "when it was alone in its batch")


def _seen(row, worst, when):
    return broken(
        f"row {row} moved by {worst.size:.3g} {when}",
        "predictions depend on what else is in the batch",
        "look for a reshape with -1, a sum or softmax over axis 0, the batch size in a formula",
        row=row,
        **worst.values(),
    )


@contract("forward.finite", excused_by="domain")
def values_are_finite(case):
    """The output is NaN or infinite for an ordinary input."""
    layer = case.ready()
    for name, inputs in points(case.inputs, case.traits):
        for training in (False, True):
            if bad := not_finite(case.call(layer, inputs, training)):
                number, place, value = bad
                return broken(
                    f"the output is {value} for {name}{' in training' if training else ''}",
                    "one such row makes the loss, and then every weight, NaN",
                    "add a small constant under the division, root or log, or ops.where",
                    point=name,
                    at=f"output {number} {list(place)}",
                    value=str(value),
                )


@contract("input.unchanged")
def inputs_stay_as_they_were(case):
    """The caller's own inputs are changed by the call."""
    for convert in (lambda tree: map_leaves(np.copy, tree), case.tensors):
        layer = case.ready()
        given = convert(case.inputs)
        structure = _structure(given)
        kept = [np.copy(x) for x in leaves(given)]
        for training in (False, True):
            # The structure itself goes in, not a copy: that is what a caller has.
            args, kwargs = case.arguments(layer, given)
            try:
                layer(*args, **kwargs, training=training)
            except Exception as error:
                changed = _structure(given) != structure
                if not changed:
                    raise LayerFailed("calling it on its inputs", error) from error
            if _structure(given) != structure or difference(kept, leaves(given), 0, 0):
                return broken(
                    "the call changed the inputs that it was given",
                    "the next layer, or the next epoch, gets other data",
                    "copy first: inputs = dict(inputs); never pop, assign into or += an input",
                    before=structure,
                    after=_structure(given),
                )


def _structure(tree):
    if isinstance(tree, dict):
        return {k: _structure(v) for k, v in tree.items()}
    if isinstance(tree, list | tuple):
        return [_structure(v) for v in tree]
    return id(tree)


def _losses(case, layer, inputs=None, training=True):
    """The losses' values after one call."""
    case.call(layer, inputs, training)
    with layer_code("reading its losses"):
        return [float(np.sum(keras.ops.convert_to_numpy(x))) for x in layer.losses]


@contract("loss.no_growth")
def losses_do_not_pile_up(case):
    """Each call adds to the losses of the calls before."""
    layer = case.ready()
    first = _losses(case, layer)
    _losses(case, layer)
    third = _losses(case, layer)
    if len(first) == len(third) and not difference([np.array(first)], [np.array(third)]):
        first, third = _adding_up(case, layer)
    if first != third:
        return broken(
            f"after one call its losses are {_short(first)}, after three {_short(third)}",
            "the loss grows with every step, and old steps hold on to memory",
            "call add_loss once a call and keep no list of losses",
            first=_short(first),
            third=_short(third),
        )


def _adding_up(case, layer):
    """The sums of the losses at two calls if its variables add each call's loss to those before.

    Equal otherwise: statistics that move change a loss too, but not by one step each call.
    """
    totals = []
    for _ in range(3):
        with layer_code("calling it"):
            case.apply(layer, case.tensors())
            totals.append(float(sum(np.sum(keras.ops.convert_to_numpy(x)) for x in layer.losses)))
    one, two = np.diff(totals)
    calls = totals[0] / one if one > 1e-6 else 0
    adds = abs(one - two) <= 1e-3 * abs(one) and calls > 0.5 and abs(calls - round(calls)) < 1e-3
    return ([totals[0]], [totals[2]]) if adds else ([], [])


def _short(values):
    return [float(f"{v:.4g}") for v in values[:4]]


@contract("loss.batch_scale", advice=True)
def losses_do_not_scale_with_the_batch(case):
    """The same rows twice double the loss: it is summed over the batch, not averaged."""
    if case.traits.fixed_batch:
        return skipped("the trait `fixed_batch` is declared")
    layer = case.ready()
    once = _losses(case, layer, training=False)
    if not once:
        return None
    twice = _losses(case, layer, rows(case.inputs, [*range(case.batch)] * 2), training=False)
    for one, two in zip(once, twice, strict=False):
        if abs(one) > 1e-8 and abs(two / one - 2) < 1e-3:
            return advice(
                f"the loss is {one:.4g} for a batch and {two:.4g} for the same batch twice",
                "its weight against the main loss changes with the batch size",
                "use ops.mean over the batch in add_loss",
                once=one,
                twice=two,
            )
