"""Contracts of time and order: causality, streaming, equivariance; the state of RNN cells."""

import keras
import numpy as np

from lamina._common import to_numpy
from lamina.contracts._contract import Answer, broken, contract, skipped
from lamina.contracts.harness import (
    Case,
    LayerFailed,
    difference,
    layer_code,
    leaves,
    map_leaves,
    quick,
    rows,
    vary,
    with_length,
)


def _steps(inputs):
    return next((x.shape[1] for x in keras.tree.flatten(inputs) if x.ndim > 1), 0)


@contract("trait.causal", needs="causal")
def the_future_does_not_matter(case: Case) -> Answer:
    """Changing later time steps changes an earlier output.

    Promise: no output depends on later steps, in training too.

    A layer that breaks it:

        def call(self, x):
            return x - ops.mean(x, axis=1, keepdims=True)

    Repair: pad on the left only; mask attention to the past. In training it is not asked where
    rows are coupled.
    Trait: `causal` switches it on.
    """
    layer = case.ready(perturb=True)
    if any(y.ndim < 2 for y in case.call(layer)):
        return broken("it is said to be causal, but its output has no time axis")
    for training in case.modes:
        # A batch's statistics are taken over time too: every normalisation by them looks ahead.
        if training and (case.traits.batch_coupled or not case.repeats(layer, training)):
            continue
        if found := _ahead(case, layer, training):
            return found


def _ahead(case, layer, training):
    steps, before = _steps(case.inputs), case.call(layer, training=training)
    lost = _lost_before_the_first(case, layer, steps, before)
    others = vary(case.inputs, case.rng, case.traits)
    for now in sorted({0, steps // 2, max(0, steps - 2)}):

        def later(x: np.ndarray, y: np.ndarray, now: int = now) -> np.ndarray:
            x = x.copy()
            if x.ndim > 1 and x.shape[1] == steps:
                x[:, now + 1 :] = y[:, now + 1 :]
            return x

        inputs = keras.tree.map_structure(later, case.inputs, others)
        after = case.call(layer, inputs, training)
        for one, other, fewer in zip(before, after, lost, strict=True):
            # A layer that strides has seen step t when it gives output t // stride.
            seen = max(0, now + 1 - fewer) if fewer else ((now + 1) * one.shape[1]) // steps
            if worst := difference([one[:, :seen]], [other[:, :seen]]):
                return broken(
                    f"changing steps after {now} moved the output at step {worst.where[1]}"
                    f"{' in training' if training else ''}",
                    "offline it looks ahead; deployed it cannot, and is worse than it was measured",
                    "pad on the left only; mask attention to the past, in training too; no "
                    "reversed recurrences",
                    step=now,
                    **worst.values(),
                )
    return None


def _lost_before_the_first(case, layer, steps, outputs):
    """Of each output: the steps that it is shorter by at any length, as without padding; else 0."""
    fewer = [steps - y.shape[1] for y in outputs]
    if not any(n > 0 for n in fewer):
        return [0] * len(fewer)
    try:
        longer = case.call(layer, with_length(case.inputs, (1,), 2 * steps))
    except LayerFailed:
        return [0] * len(fewer)
    still = [2 * steps - y.shape[1] for y in longer]
    return [n if n > 0 and n == s else 0 for n, s in zip(fewer, still, strict=True)]


@contract("trait.streaming", needs="streaming")
def pieces_equal_one_call(case: Case) -> Answer:
    """Fed in pieces with its state it gives something else than in one call.

    Promise: fed in pieces with its state it gives what one call gives.

    A layer that breaks it:

        def step(self, x, state, mask=None):
            return self(x), state  # the past is not kept

    Repair: write call() as one step() from initial_state().
    Trait: `streaming` switches it on.
    """
    layer = case.ready(perturb=True)
    missing = [n for n in ("initial_state", "step") if not callable(getattr(layer, n, None))]
    if missing:
        return broken(
            f"it is said to stream, but has no {missing[0]}()",
            repair="follow the protocol: initial_state(batch), step(x, state, mask=None)",
        )
    at_once, steps = case.call(layer), _steps(case.inputs)
    step = quick(layer, lambda given: layer.step(*given))
    block = max(1, int(getattr(layer, "block_size", 1)))
    for sizes in _splits(steps, block):
        with layer_code("streaming it"):
            state = layer.initial_state(case.batch)
            pieces, start = [], 0
            for size in sizes:
                x = map_leaves(lambda a, s=start, n=size: a[:, s : s + n], case.tensors())
                y, state = step((x, state))
                pieces.append([to_numpy(v) for v in keras.tree.flatten(y)])
                start += size
        joined = leaves([np.concatenate(p, axis=1) for p in zip(*pieces, strict=True)])
        cut = [y[:, : j.shape[1]] for y, j in zip(at_once, joined, strict=True)]
        if [c.shape for c in cut] != [j.shape for j in joined]:
            return broken("streamed it returns another shape", split=sizes)
        # Closer than elsewhere: one arithmetic runs in both.
        if worst := difference(cut, joined, 2e-6, 1e-5):
            return broken(
                f"in blocks of {sizes} it differs from the whole sequence",
                "what is deployed sample by sample is not what was trained",
                "write call() as one step() from initial_state(): one arithmetic",
                split=sizes,
                **worst.values(),
            )


def _splits(steps, block):
    """One block at a time, halves, and uneven pieces, each a multiple of the block."""
    count = steps // block
    yield [block] * count
    yield [block * (count // 2), block * (count - count // 2)]
    yield [block * n for n in (1, 0, max(0, count - 2), min(1, count - 1)) if count > 1] or [block]


@contract("trait.equivariant", needs="equivariant_axes")
def reordering_reorders(case: Case) -> Answer:
    """Reordering the input along the axis does not reorder the output alike.

    Promise: reordering the input along the axis reorders the output alike.

    A layer that breaks it:

        def call(self, x):
            return x + self.positions

    Repair: take out positions and causal masks.
    Trait: `equivariant_axes` switches it on.
    """
    layer = case.ready(perturb=True)
    before = case.call(layer)
    for axis in case.traits.equivariant_axes:
        sizes = {x.shape[axis] for x in keras.tree.flatten(case.inputs) if x.ndim > axis}
        if len(sizes) != 1:
            return skipped(f"its inputs have different lengths on axis {axis}")
        size = sizes.pop()
        if any(y.ndim <= axis or y.shape[axis] != size for y in before):
            return broken(f"its output does not have the axis {axis} of its input")
        for order in _orders(size):
            shuffled = map_leaves(
                lambda x, a=axis, o=order: np.take(x, o, axis=a) if x.ndim > a else x, case.inputs
            )
            after = case.call(layer, shuffled)
            moved = [np.take(y, order, axis=axis) for y in before]
            if worst := difference(moved, after):
                return broken(
                    f"reordering axis {axis} of the input does not reorder the output alike",
                    "the result depends on an order that is said to mean nothing",
                    "look for positions, a causal mask, or a reshape that mixes axes",
                    axis=axis,
                    order=order.tolist(),
                    **worst.values(),
                )


def _orders(size):
    """Random permutations: one alone, such as a reversal, may map groups onto each other."""
    drawn = [np.random.default_rng(seed).permutation(size) for seed in range(8)]
    return [order for order in drawn if not np.array_equal(order, np.arange(size))][:5]


@contract("cell.state_spec", rank=190, target="cell")
def states_are_as_declared(case: Case) -> Answer:
    """The states that the cell returns are not those that it declares.

    Promise: the states that a step returns are those that state_size declares.

    A layer that breaks it:

        self.state_size = 4
        ...
        return y, [ops.concatenate([h, x], -1)]

    Repair: let state_size say the shapes that call() returns.
    """
    layer = case.ready()
    for policy in ("float32", "bfloat16"):
        keras.config.set_dtype_policy(policy)
        layer = case.fresh()
        if found := _one_step(case, layer):
            return found
    keras.config.set_dtype_policy("float32")
    return _in_rnn(case)


def _one_step(case, layer):
    state = keras.tree.flatten(case.cell_state(layer, case.tensors()))
    if callable(getattr(layer, "get_initial_state", None)):
        with layer_code("get_initial_state()"):
            initial = keras.tree.flatten(layer.get_initial_state(batch_size=case.batch))
        shapes = [tuple(s.shape) for s in initial], [tuple(s.shape) for s in state]
        if shapes[0] != shapes[1]:
            return _broken_state("get_initial_state gives", *shapes)
    with layer_code("calling the cell"):
        args, _ = case.arguments(layer, case.tensors())
        out = layer(*args)
    if not (isinstance(out, list | tuple) and len(out) == 2):
        return broken("a cell must return (output, states)", repair="return output, [state, ...]")
    after = [tuple(s.shape) for s in keras.tree.flatten(out[1])]
    declared = [tuple(s.shape) for s in state]
    if after != declared:
        return _broken_state("a step returns", after, declared)
    types = [keras.backend.standardize_dtype(s.dtype) for s in keras.tree.flatten(out[1])]
    if any(t != layer.compute_dtype for t in types):
        return broken(
            f"a step turns states of {layer.compute_dtype} into {types}",
            "the loop over time fails, as its state may not change dtype",
            "cast inner constants to self.compute_dtype",
        )
    size = getattr(layer, "output_size", None)
    if isinstance(size, int) and keras.tree.flatten(out[0])[0].shape[-1] != size:
        return _broken_state("the output is", [keras.tree.flatten(out[0])[0].shape], [(size,)])
    return None


def _listed(state):
    return list(state) if isinstance(state, list | tuple) else [state]


def _broken_state(what, has, declared):
    return broken(
        f"{what} {has}, declared is {declared}",
        "keras.layers.RNN fails on it, or its state grows with every step",
        "let state_size say the shapes of the states that call() returns",
        declared=declared,
        returned=has,
    )


def _in_rnn(case):
    """The cell's loop: as a layer, over three steps, against stepping by hand."""
    first = keras.tree.flatten(case.inputs)[0]
    if isinstance(case.inputs, dict | list | tuple):
        return None
    series = np.stack([first, *(rows(first, range(n, n + case.batch)) for n in (1, 2))], axis=1)
    cell = case.fresh()
    with layer_code("running it in keras.layers.RNN"):
        rnn = keras.layers.RNN(cell, return_sequences=True)
        looped = leaves(rnn(series))[0]
        state = map_leaves(keras.ops.zeros_like, case.cell_state(cell, first))
        if callable(getattr(cell, "get_initial_state", None)):
            state = _listed(cell.get_initial_state(batch_size=case.batch))
        by_hand = []
        for step in range(3):
            y, state = cell(keras.ops.convert_to_tensor(series[:, step]), state)
            state = _listed(state)
            by_hand.append(leaves(y)[0])
    if case.traits.stochastic:
        return None
    if worst := difference([np.stack(by_hand, 1)], [looped]):
        return broken("in keras.layers.RNN it gives something else than by hand", **worst.values())
    return None
