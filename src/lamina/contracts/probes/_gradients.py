"""Contracts of the gradient: it exists, is finite, is the derivative, and stops when frozen."""

import contextlib

import keras
import numpy as np

from lamina._common import to_numpy
from lamina.contracts._contract import Answer, advice, broken, contract, skipped
from lamina.contracts.harness import (
    Case,
    Objective,
    difference,
    has_float64,
    is_float,
    jittered,
    layer_code,
    points,
    quick,
    stopped_gradients,
    tensors,
)


@contract("grad.exists", rank=230, excused_by="differentiable")
def every_trainable_weight_gets_a_gradient(case: Case) -> Answer:
    """A trainable weight, or the input, gets no gradient: it is never trained.

    Promise: each trainable weight, and the input, gets a gradient.

    A layer that breaks it:

        def call(self, x):
            return ops.take(self.codes, ops.argmax(x @ self.codes.T, -1), 0)

    Repair: find the argmax, round, stop_gradient or cast on the way; drop weights that are not
    used.
    Trait: `differentiable` says that it is by design.
    """
    if not case.traits.differentiable:
        return skipped("the trait `differentiable` says that it has none")
    layer = case.ready()
    names = [v.path for v in layer.trainable_variables]
    alive, by_input, rng = set(), False, np.random.default_rng(5)
    objective = Objective(case, layer, case.inputs, True, True)
    for draw in range(3):
        weights, inputs = objective.gradients()
        alive |= {n for n, g in enumerate(weights) if g is not None and np.any(g)}
        by_input |= any(g is not None and np.any(g) for g in inputs)
        if len(alive) == len(names) and (by_input or not inputs):
            return None
        if draw < 2:
            _redraw(layer, rng)
    if dead := [names[n] for n in range(len(names)) if n not in alive]:
        return broken(
            f"{dead[0]} gets no gradient",
            "it stays at its initial value for ever",
            "look for stop_gradient, argmax, round or an integer cast between it and the output; "
            "a weight that is not used should not be there",
            weights=dead,
        )
    if objective.terms and not by_input and _depends_on_input(case, layer):
        return broken(
            "no gradient reaches its input",
            "every layer before it stops learning",
            "look for stop_gradient, argmax, round, a comparison or an integer cast",
        )


def _redraw(layer, rng):
    for variable in layer.trainable_variables:
        variable.assign(rng.normal(0.0, 0.5, tuple(variable.shape)))


def _depends_on_input(case, layer):
    """Does the floating output move with the floating input at all?"""
    before = case.call(layer)
    after = case.call(layer, jittered(case.inputs, np.random.default_rng(1), case.traits))
    far = keras.tree.map_structure(lambda x: x * 0.5 if is_float(x) else x, case.inputs)
    try:
        moved = difference(before, after) or difference(before, case.call(layer, far))
    except Exception:
        return True
    return moved is not None


@contract("grad.finite", rank=240, excused_by="domain", follows=("forward.finite",))
def gradients_are_finite(case: Case) -> Answer:
    """The gradient is NaN or infinite for an ordinary input.

    Promise: gradients are finite for ordinary inputs and for zeros.

    A layer that breaks it:

        def call(self, x):
            return ops.sqrt(ops.sum(x**2, -1))

    Repair: add a small constant under the root.
    Trait: `domain` says that it is by design.
    """
    if not case.traits.differentiable:
        return skipped("the trait `differentiable` says that it has none")
    layer = case.ready()
    objective = Objective(case, layer, case.inputs, True, True)
    for name, inputs in points(case.inputs, case.traits):
        objective.at(inputs)
        weights, leaves = objective.gradients()
        names = [v.path for v in layer.trainable_variables] + ["its input"] * len(leaves)
        for what, g in zip(names, [*weights, *leaves], strict=True):
            if g is not None and not np.isfinite(np.asarray(g, "complex128")).all():
                return broken(
                    f"the gradient by {what} is not finite for {name}",
                    "one such row turns every weight into NaN",
                    "the derivative of sqrt, norm, log or a division at 0: add a small constant "
                    "under it, or keep 0 out with ops.where on its input, not on its output",
                    point=name,
                    gradient_by=what,
                )


# Step sizes of central differences. In float64 the error is least near the cube root of its
# rounding, 6e-6; the last two are for layers that compute in float32 inside, where it is 5e-3.
EPSILONS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)


@contract(
    "grad.numeric",
    rank=250,
    excused_by="surrogate_gradient",
    slow=True,
    follows=("grad.exists", "dtype.policy"),
)
def the_gradient_is_the_derivative(case: Case) -> Answer:
    """The gradient is not the derivative of the output.

    Promise: the gradient is the derivative, measured in float64.

    A layer that breaks it:

        @ops.custom_gradient
        def cube(x):
            return x**3, lambda upstream: upstream * x**2

    Repair: correct the custom gradient, or remove the stop_gradient.
    Trait: `surrogate_gradient` says that it is by design.
    """
    if case.traits.surrogate_gradient or not case.traits.differentiable:
        return skipped("a trait says that it is not")
    if not has_float64():
        return skipped("float64 on JAX needs JAX_ENABLE_X64=1")
    keras.config.set_dtype_policy("float64")
    layer = _in_float64(case)
    if layer is None:
        return skipped("it does not compute in float64")
    wrong = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        found = _directional(case, layer, rng)
        if found is None:
            return None
        wrong.append(found)
        if not found["wrong"] and seed == 0:
            return None
    if sum(w["wrong"] for w in wrong) >= 2:
        worst = next(w for w in wrong if w["wrong"])
        # A layer that keeps state, as in a power iteration, stops the gradient there by design.
        stops = all(w["stopped"] for w in wrong if w["wrong"])
        answer = advice if stops and case.traits.stateful else broken
        return answer(
            f"along a random direction of {worst['by']} the gradient gives "
            f"{worst['gradient']:.6g}, the output moves by {worst['moved']:.6g}"
            + (
                ": a stop_gradient, or a variable's new value, makes the difference"
                if stops
                else ""
            ),
            "training walks in another direction than downhill",
            "look at a custom gradient, a stop_gradient, or a cast on the way",
            gradient=f"{worst['gradient']:.6g}",
            numeric=f"{worst['moved']:.6g}",
        )


def _in_float64(case):
    """A layer that computes in float64 under the global policy, or None."""
    try:
        layer = case.fresh()
        with contextlib.suppress(Exception):
            case.functional(layer, case.batch)
        with layer_code("calling it in float64"):
            apply = quick(layer, lambda tree: case.apply(layer, tree))
            out = keras.tree.flatten(apply(tensors(case.inputs, "float64")))
    except Exception:
        return None
    return layer if layer.compute_dtype == "float64" and out else None


def _directional(case, layer, rng):
    """The gradient against central differences, along one random direction."""
    _redraw_a_little(layer, rng)
    inputs = jittered(case.inputs, rng, case.traits)
    objective = Objective(case, layer, inputs, False, False, "float64")
    by_weight, by_input = objective.gradients()
    if not objective.terms:
        return None
    worst = None
    for by in ("its inputs", "its weights"):
        grads = by_input if by == "its inputs" else by_weight
        if not grads:
            continue
        values = objective.leaves if by == "its inputs" else layer.trainable_variables
        steps = [rng.standard_normal(tuple(v.shape)) for v in values]
        slope = sum(
            float(np.sum(g * s)) for g, s in zip(grads, steps, strict=True) if g is not None
        )
        moved = _moved(objective, layer, by, steps)
        scale = max(abs(slope), *(abs(m) for m in moved))
        # Rounding of the value itself, divided by the smallest step, is no slope.
        flat = scale < 1e-9 * max(1.0, abs(objective.value()))
        agrees, nearest = _agrees(slope, moved)
        found = {"by": by, "gradient": slope, "moved": nearest}
        found["wrong"] = not flat and not agrees
        if found["wrong"]:
            with stopped_gradients() as stopped:
                objective(objective.leaves)
            held = _moved(objective, layer, by, steps, stopped)
            found["stopped"] = bool(stopped) and _agrees(slope, held)[0]
        if worst is None or found["wrong"]:
            worst = found
    return worst


def _agrees(slope, moved):
    """Does the gradient equal one of the differences; and the nearest of them."""
    errors = [abs(slope - m) / max(abs(slope), abs(m), 1e-12) for m in moved]
    best = int(np.argmin(errors))
    # The two large steps are for float32, and miss by the curvature too: a wider tolerance.
    return bool(errors[best] <= (1e-4 if best < 3 else 2e-2)), moved[best]


def _redraw_a_little(layer, rng):
    for variable in layer.trainable_variables:
        value = to_numpy(variable.value)
        variable.assign(value + 0.1 * rng.standard_normal(value.shape))


def _moved(objective, layer, by, steps, stopped=None):
    """Central differences at several step sizes: some layers compute in float32 inside."""
    found = []
    kept = [np.array(to_numpy(v.value)) for v in layer.trainable_variables]
    start = [np.array(to_numpy(x)) for x in objective.leaves]
    for eps in EPSILONS:
        ends = []
        for sign in (1, -1):
            if by == "its inputs":
                moved = [x + sign * eps * s for x, s in zip(start, steps, strict=True)]
                moved = [keras.ops.convert_to_tensor(x) for x in moved]
                ends.append(objective.value(moved, stopped))
                continue
            for v, x, s in zip(layer.trainable_variables, kept, steps, strict=True):
                v.assign(x + sign * eps * s)
            ends.append(objective.value(stopped=stopped))
        found.append((ends[0] - ends[1]) / (2 * eps))
    for v, x in zip(layer.trainable_variables, kept, strict=True):
        v.assign(x)
    return found


@contract("train.frozen")
def frozen_weights_stay(case: Case) -> Answer:
    """With trainable=False its weights still move, or are still handed to the optimizer.

    Promise: with trainable=False its weights stay.

    A layer that breaks it:

        def call(self, x, training=False):
            self.centers.assign(...)  # also when frozen

    Repair: assign only `if self.trainable`.
    """
    layer = case.ready()
    weights = list(layer.trainable_variables)
    with layer_code("setting trainable=False"):
        layer.trainable = False
    if left := [v.path for v in layer.trainable_variables]:
        return broken(
            f"after trainable=False, {left[0]} is still among its trainable variables",
            "fine-tuning changes what was meant to stay frozen",
            "do not override trainable_variables; keep sub-layers as attributes",
            weights=left,
        )
    if not weights:
        return None
    before = [np.array(to_numpy(v.value)) for v in weights]
    for _ in range(2):
        with layer_code("calling it frozen, in training"):
            case.apply(layer, case.tensors(), True)
    for variable, value in zip(weights, before, strict=True):
        if difference([value], [np.array(to_numpy(variable.value))], 0, 0):
            return broken(
                f"frozen, a training call still moved {variable.path}",
                "fine-tuning changes what was meant to stay frozen",
                "call assign() on a trainable weight only `if self.trainable`",
                weight=variable.path,
            )
