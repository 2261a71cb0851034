"""Contracts of one forward call: finite values, and inputs left as they were."""

import numpy as np

from lamina.contracts._contract import Answer, broken, contract
from lamina.contracts.harness import (
    Case,
    LayerFailed,
    ModeAvoided,
    difference,
    leaves,
    map_leaves,
    not_finite,
    points,
)


@contract("forward.finite", rank=130, excused_by="domain")
def values_are_finite(case: Case) -> Answer:
    """The output is NaN or infinite for an ordinary input.

    Promise: ordinary inputs, zeros and constants give finite outputs.

    A layer that breaks it:

        def call(self, x):
            return x / ops.norm(x, axis=-1, keepdims=True)

    Repair: add a small constant under the division, root or logarithm.
    Trait: `domain` says that it is by design.
    """
    layer = case.ready()
    for name, inputs in points(case.inputs, case.traits):
        for training in case.modes:
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


@contract("input.unchanged", rank=50)
def inputs_stay_as_they_were(case: Case) -> Answer:
    """The caller's own inputs are changed by the call.

    Promise: the caller's inputs stay as they were.

    A layer that breaks it:

        def call(self, inputs):
            mask = inputs.pop("mask")

    Repair: copy first: inputs = dict(inputs).
    """
    for convert in (lambda tree: map_leaves(np.copy, tree), case.tensors):
        layer = case.ready()
        given = convert(case.inputs)
        structure = _structure(given)
        kept = [np.copy(x) for x in leaves(given)]
        for training in case.modes:
            # The structure itself goes in, not a copy: that is what a caller has.
            try:
                case.apply(layer, given, training)
            except ModeAvoided:
                raise
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
