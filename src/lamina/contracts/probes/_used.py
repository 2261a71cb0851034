"""Contracts of use: what a layer is given, as an input or as an argument, moves something."""

import inspect
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from lamina._common import to_numpy
from lamina.contracts._contract import Answer, broken, contract, skipped
from lamina.contracts.harness import (
    Case,
    LayerFailed,
    Objective,
    as_array,
    config_of,
    copy_weights,
    difference,
    is_float,
    map_leaves,
    not_finite,
    own_state,
    perturb_weights,
    seed_host,
    varied,
    with_arguments,
)

# What moves less than this, relative to the largest value, is lost in float32's rounding.
NOTHING = 1e-12
BASE = ("name", "dtype", "trainable")


@contract("input.used", excused_by="unused_inputs", rank=125)
def every_input_moves_something(case: Case) -> Answer:
    """Varying one input moves no output, loss or mask: it is not used.

    Promise: varying one input moves an output, a loss, a mask or a gradient.

    A layer that breaks it:

        def call(self, scores, ids):
            return scores + ops.cast(ids == 0, scores.dtype) * -1e-40

    Repair: look for a constant that float32 drops, or a result that is thrown away.
    Trait: `unused_inputs` says that it is by design.
    """
    layer = case.ready(perturb=True)
    if not all(case.repeats(layer, training) for training in case.modes):
        return skipped("it draws what no seed of its own controls: see random.no_global_rng")
    names = case.names(layer)
    declared = case.traits.unused_inputs
    unused = [
        name
        for number, name in enumerate(names)
        if not (number in declared or name in declared) and not _moves(case, layer, number)
    ]
    if unused:
        what = "its input" if len(names) == 1 else f"the input `{unused[0]}`"
        return broken(
            f"{what} moves no output, loss or mask",
            "who passes it believes that it matters; training does not learn from it",
            "look for a constant so small that float32 drops it, a result that is thrown away, "
            "or a branch that is never taken",
            declare=(*declared, *unused),
            unused=unused,
        )


def _moves(case: Case, layer: Any, number: int) -> bool:
    """Does something move with one array of the sample? True where it cannot be varied."""
    arrays = keras.tree.flatten(case.inputs)
    others = [x for x in _other_values(arrays[number], case) if x.size]
    trees = [
        keras.tree.pack_sequence_as(case.inputs, [*arrays[:number], x, *arrays[number + 1 :]])
        for x in others
    ]
    for training in case.modes:
        before = _effects(case, layer, case.inputs, training)
        for tree in trees:
            try:
                after = _effects(case, layer, tree, training)
            except LayerFailed:
                return True  # It looks at the values, at least.
            if difference(before, after, NOTHING, 0):
                return True
    return not trees or any(_moves_gradient(case, layer, case.inputs, tree) for tree in trees)


def _other_values(x: np.ndarray, case: Case) -> Iterator[np.ndarray]:
    """The array with other numbers of its range, then of a wider one; none equal to it."""
    rng = np.random.default_rng(6)
    # Few whole numbers may all fall into the bins of a hash that those before fell into.
    for _ in range(8 if x.dtype.kind in "iu" else 2):
        y = varied(x, rng, case.traits)
        if x.dtype.kind == "b":
            y = x ^ (rng.random(x.shape) < 0.5)
        elif x.dtype.kind in "iu" and not case.traits.int_range and x.size:
            y = rng.integers(x.min(), x.max(), x.shape, endpoint=True).astype(x.dtype)
        if not np.array_equal(x, y):
            yield y
    if is_float(x) and not case.traits.domain:
        yield (3 * x + 1).astype(x.dtype)
        yield -x


def _effects(case: Case, layer: Any, inputs: Any, training: bool) -> list[np.ndarray]:
    """All that a call gives: outputs, losses, masks, and variables; the state is restored."""
    found: list[np.ndarray] = []

    def called(layer: Any, tree: Any, training: bool) -> Any:
        out = case.apply(layer, tree, training)
        found.extend(as_array(to_numpy(x)) for x in layer.losses)
        found.extend(as_array(x) for _, x in own_state(layer))
        found.extend(_masks(layer, tree))
        return out

    return [*case.call(layer, inputs, training, by=called), *found]


def _masks(layer: Any, tree: Any) -> list[np.ndarray]:
    """What compute_mask gives without a mask before it; nothing where it wants another call."""
    try:
        masks = keras.tree.flatten(layer.compute_mask(tree, None))
    except Exception:
        return []
    return [as_array(m) for m in masks if m is not None and hasattr(m, "shape")]


def _moves_gradient(case: Case, layer: Any, one: Any, other: Any) -> bool:
    """Does a gradient differ between two samples, as one that is scaled by an input?"""
    if not case.traits.differentiable:
        return False
    objective = Objective(case, layer, one, True in case.modes, True)
    found = []
    for inputs in (one, other):
        objective.at(inputs)
        by_weight, by_input = objective.gradients()
        found.append([np.asarray(g) for g in [*by_weight, *by_input] if g is not None])
    return difference(found[0], found[1], NOTHING, 0) is not None


@contract("argument.used", excused_by="inert_arguments", advice=True, slow=True)
def every_number_moves_something(case: Case) -> Answer:
    """A numeric argument of the constructor moves nothing: no output, draw, loss or gradient.

    Promise: a numeric argument of the constructor moves something.

    A layer that breaks it:

        def __init__(self, rate=0.1, second_rate=0.1, **kwargs): ...
        def call(self, x, training=False):
            return dropout(dropout(x, self.rate), self.rate)

    Repair: use it or take it out. Advice: it may matter only beside another argument, as a fill
    value does.
    Trait: `inert_arguments` says that it is by design.
    """
    try:
        config = config_of(case.fresh())
    except LayerFailed:
        return skipped("it has no config: see config.roundtrip")
    before = _first_effects(case, case.fresh())
    inert = []
    for name in _numbers(case, config):
        if name not in case.traits.inert_arguments:
            tried = _all_the_same(case, config, name, before)
            inert += [(name, tried)] if tried else []
    if inert:
        name, values = inert[0]
        return broken(
            f"the argument `{name}` is stored and saved, but {config[name]!r} and "
            f"{', '.join(map(repr, values))} do the same",
            "who sets it believes that it matters",
            "use it, or take it out; one that matters with another argument only is fine",
            declare=(*case.traits.inert_arguments, *(n for n, _ in inert)),
            argument=name,
            tried=values,
        )


def _numbers(case: Case, config: dict[str, Any]) -> list[str]:
    """Names of the constructor's own arguments whose value in the config is a number.

    Not an axis, of which a sample may have but one: -1 and 1 are the same in a matrix.
    """
    parameters = inspect.signature(case.target.cls.__init__).parameters
    return [
        name
        for name in parameters
        if name not in BASE
        and "axis" not in name
        and isinstance(config.get(name), int | float)
        and not isinstance(config[name], bool)
    ]


def _all_the_same(
    case: Case, config: dict[str, Any], name: str, before: list[np.ndarray]
) -> list[float]:
    """Other values that the layer accepts, if none of them moves anything; else nothing."""
    accepted = []
    for value in _other_numbers(config[name]):
        try:
            layer = with_arguments(case, config, {name: value})
            after = _first_effects(case, layer)
        except Exception:
            continue  # It may refuse a value.
        if not_finite(after) and not not_finite(before):
            continue  # Nor does a value count that it cannot compute with, as 0 to divide by.
        if difference(before, after, 0, 0):
            return []
        accepted.append((value, layer))
    if any(_differs(case, layer, value) for value, layer in accepted):
        return []
    return [value for value, _ in accepted]


def _first_effects(case: Case, layer: Any) -> list[np.ndarray]:
    """All that the first call of a fresh layer, in training, gives."""
    seed_host()
    out = case.apply(layer, case.tensors(), True)
    losses = [as_array(to_numpy(x)) for x in layer.losses]
    state = [as_array(x) for _, x in own_state(layer)]
    return [*case.leaves(out), *losses, *state, *_masks(layer, case.tensors())]


def _differs(case: Case, layer: Any, value: float) -> bool:
    """A closer look: other weights and inputs, both modes, gradients."""
    usual = case.ready()
    copy_weights(usual, layer)
    for one in (usual, layer):
        perturb_weights(one)
    for training in (False, True):
        for inputs in _telling(case, value):
            try:
                pair = [_effects(case, x, inputs, training) for x in (usual, layer)]
            except LayerFailed:
                continue
            if difference(pair[0], pair[1], 0, 0):
                return True
    if not case.traits.differentiable:
        return False
    grads = [Objective(case, x, case.inputs, True in case.modes, True) for x in (usual, layer)]
    flat = [[g for part in o.gradients() for g in part] for o in grads]
    pair = [[np.asarray(g) for g in one if g is not None] for one in flat]
    return difference(pair[0], pair[1], NOTHING, 0) is not None


def _telling(case: Case, value: float) -> Iterator[Any]:
    """The sample; wider numbers, which bounds show at; and the value itself among them."""
    rng = np.random.default_rng(7)

    def wider(x: np.ndarray) -> np.ndarray:
        return (3 * x + 1).astype(x.dtype) if is_float(x) and not case.traits.domain else x

    def with_value(x: np.ndarray) -> np.ndarray:
        low, high = case.traits.int_range or (0, 0)
        if not ((is_float(x) and not case.traits.domain) or low <= value < high):
            return x
        some = rng.random((*x.shape[:2], *(1 for _ in x.shape[2:]))) < 0.4
        return np.where(some, value, x).astype(x.dtype)

    yield case.inputs
    yield map_leaves(wider, case.inputs)
    yield map_leaves(with_value, case.inputs)


def _other_numbers(value: float) -> list[float]:
    """Values around, near 0 and near 1: what bounds, rates, sizes and powers may show at."""
    if isinstance(value, int):
        near = [value + 1, 2 * value, value // 2, 1, 2, 0]
    else:
        near = [value * 1.5 + 0.1, value * 0.5, 0.25, 0.9, 0.0, -value - 0.3]
    return list(dict.fromkeys(v for v in near if v != value))[:5]
