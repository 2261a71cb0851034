"""A plan as the step of a single sample, for export: all tensors, no Python numbers.

Behind a stride a sample is not always due. The step computes every layer at every sample, and
keeps the state of a layer whose input was not due.
"""

import keras
from keras import ops, tree

from lamina._common import Array, State
from lamina.streaming._nodes import Marked, Protocol, Recurrent
from lamina.streaming._plan import Plan
from lamina.streaming._walk import Ref


def can_tick(plan: Plan) -> None:
    """Refuse a model that multiplies samples before it strides."""
    kinds = {step[0] for flow in plan.flows.values() for step in flow.schedule}
    if kinds == {"up", "down"}:
        raise ValueError(
            "`export` cannot write a model that gives several samples for each one and has "
            "strides too. Export it in two parts."
        )


def tick(
    plan: Plan,
    inputs: list[Array],
    masks: list[Array | None],
    state: State,
    counters: State,
) -> tuple[list[Array], State, State, Array | None]:
    """`(outputs, state, counters, due)`; `due` is None if there is an output at every sample."""
    if not counters:
        outputs, state = plan.run(inputs, masks, state, {})
        return outputs, state, {}, None
    values = dict(zip(tree.flatten(plan.inputs), inputs, strict=True))
    known: dict[Ref, Array] = dict(zip(plan.timed_inputs, masks, strict=True))
    state, counters, due = dict(state), dict(counters), {}
    for node in plan.nodes:
        found, new, mask = node.run(values, known, state, 0)
        plan.keep(node, found, mask, values, known)
        gate = due.get(node.timed[0]) if node.timed else None
        state |= {key: _choose(gate, value, state[key]) for key, value in new.items()}
        if node.key in counters:
            count = counters[node.key]
            now = ops.equal(count, 0)
            after = ops.where(now, node.kind.stride - 1, count - 1)
            counters[node.key] = _choose(gate, after, count)
            gate = now if gate is None else ops.logical_and(gate, now)
        due |= dict.fromkeys(node.outputs, gate)
    ends = [r for r in tree.flatten(plan.outputs) if plan.flows[r].timed]
    if len({plan.flows[r].schedule for r in ends}) != 1:
        raise ValueError("`export` needs outputs that come at the same samples.")
    return [values[r] for r in tree.flatten(plan.outputs)], state, counters, due[ends[0]]


def _choose(gate: Array | None, new: Array, old: Array) -> Array:
    return new if gate is None else ops.where(gate, new, old)


def heeded_masks(plan: Plan) -> list[bool]:
    """For each input with a time axis: does a mask on it change anything?"""
    return [_heeds(plan, ref) for ref in plan.timed_inputs]


def _heeds(plan: Plan, ref: Ref) -> bool:
    carry = {ref}
    for node in plan.nodes:
        held = carry.intersection(node.timed)
        if not held or not isinstance(node.op, keras.layers.Layer):
            continue
        if isinstance(node.kind, Marked | Protocol | Recurrent) or "mask" in node.parameters:
            return True
        if node.op.supports_masking:
            carry |= set(node.outputs)
    return False
