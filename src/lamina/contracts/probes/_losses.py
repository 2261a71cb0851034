"""Contracts of the losses that a layer adds: each call its own, averaged over the batch."""

import numpy as np

from lamina._common import to_numpy
from lamina.contracts._contract import Answer, advice, broken, contract, skipped
from lamina.contracts.harness import Case, Objective, difference, layer_code, rows


def _losses(case, layer, inputs=None, training=True):
    """The losses' values after one call."""
    case.call(layer, inputs, training)
    with layer_code("reading its losses"):
        return [float(np.sum(to_numpy(x))) for x in layer.losses]


@contract("loss.no_growth")
def losses_do_not_pile_up(case: Case) -> Answer:
    """Each call adds to the losses of the calls before.

    Promise: a call's losses are its own.

    A layer that breaks it:

        def call(self, x):
            self.kept.append(ops.mean(x))
            self.add_loss(sum(self.kept))

    Repair: call add_loss once a call; keep no list.
    """
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
            totals.append(float(sum(np.sum(to_numpy(x)) for x in layer.losses)))
    # Equal steps, and a first total of one or more of them, to what float32 keeps of a sum.
    one, two = np.diff(totals)
    calls = totals[0] / one if one > 1e-6 else 0
    adds = abs(one - two) <= 1e-3 * abs(one) and calls > 0.5 and abs(calls - round(calls)) < 1e-3
    return ([totals[0]], [totals[2]]) if adds else ([], [])


def _short(values):
    return [float(f"{v:.4g}") for v in values[:4]]


@contract("loss.no_double", rank=228)
def no_loss_is_added_twice(case: Case) -> Answer:
    """A loss is added twice: two have the same value, and the same gradient by the same weights.

    Promise: no loss is added twice.

    A layer that breaks it:

        self.dense = keras.layers.Dense(3, kernel_regularizer="l2")
        ...
        self.add_loss(self.dense.kernel_regularizer(self.dense.kernel))

    Repair: Keras adds regularizers and the losses of sub-layers by itself: take out add_loss.
    """
    layer = case.ready(perturb=True)
    training = True in case.modes
    values = _losses(case, layer, training=training)
    for one, others in _equal_sums(values):
        gradients = {n: _gradient(case, layer, training, n) for n in (one, *others)}
        together = [
            np.sum(parts, axis=0) for parts in zip(*(gradients[n] for n in others), strict=False)
        ]
        moves = any(np.any(g) for g in gradients[one])
        if moves and not difference(gradients[one], together, 1e-8, 1e-4):
            what = f"loss {one} equals {' + '.join(f'loss {n}' for n in others)}"
            return broken(
                f"{what}, in value ({values[one]:.4g}) and in its gradient",
                "it counts twice: the regularisation is twice as strong as it says",
                "Keras adds a regularizer's and a sub-layer's losses by itself: take out add_loss",
                losses=_short(values),
            )


def _equal_sums(values):
    """(a loss, others that it equals): pairs, and one that is the sum of all the others."""
    for n, one in enumerate(values):
        if abs(one) < 1e-12:
            continue
        for m in range(n):
            if abs(values[m] - one) <= 1e-5 * abs(one):
                yield n, (m,)
        others = [m for m in range(len(values)) if m != n]
        if len(others) > 1 and abs(sum(values[m] for m in others) - one) <= 1e-5 * abs(one):
            yield n, tuple(others)


def _gradient(case, layer, training, loss):
    """The gradient of one loss by all weights and inputs, zeros where there is none."""
    objective = Objective(case, layer, case.inputs, training, True, loss=loss)
    by_weight, by_input = objective.gradients()
    like = [*(v.value for v in layer.trainable_variables), *objective.leaves]
    return [
        np.zeros(tuple(v.shape)) if g is None else np.asarray(g)
        for v, g in zip(like, [*by_weight, *by_input], strict=True)
    ]


@contract("loss.batch_scale", advice=True)
def losses_do_not_scale_with_the_batch(case: Case) -> Answer:
    """The same rows twice double the loss: it is summed over the batch, not averaged.

    Promise: a loss is averaged over the batch.

    A layer that breaks it:

        self.add_loss(ops.sum(ops.square(x)))

    Repair: use ops.mean over the batch.
    """
    if case.traits.fixed_batch:
        return skipped("the trait `fixed_batch` is declared")
    layer = case.ready()
    once = _losses(case, layer, training=False)
    if not once:
        return None
    twice = _losses(case, layer, rows(case.inputs, [*range(case.batch)] * 2), training=False)
    for one, two in zip(once, twice, strict=False):
        # A thousandth: float32's rounding of two sums, far from any other factor.
        if abs(one) > 1e-8 and abs(two / one - 2) < 1e-3:
            return advice(
                f"the loss is {one:.4g} for a batch and {two:.4g} for the same batch twice",
                "its weight against the main loss changes with the batch size",
                "use ops.mean over the batch in add_loss",
                once=one,
                twice=two,
            )
