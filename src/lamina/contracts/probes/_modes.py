"""Contracts of mode: inference repeats and changes nothing, compiled or not it is the same."""

from typing import Any

import numpy as np

from lamina.contracts._contract import Answer, advice, broken, contract, skipped
from lamina.contracts.harness import (
    BACKEND,
    REORDERED,
    Case,
    as_array,
    can_compile,
    compiled,
    difference,
    graph_of,
    has_mode,
    is_random_state,
    layer_code,
    never_called,
    own_state,
    random_draws,
    restore,
    seed_host,
    state_of,
    sub_layers,
    variables_of,
    vary,
)


@contract("infer.deterministic", rank=120, excused_by="stochastic", follows=("infer.pure",))
def inference_repeats(case: Case) -> Answer:
    """Two predictions for the same input differ.

    Promise: two predictions for one input are equal.

    A layer that breaks it:

        def call(self, x, training=True):
            return keras.random.dropout(x, 0.5)

    Repair: draw only `if training:`, with False as the default.
    Trait: `stochastic` says that it is by design.
    """
    if case.traits.stochastic == "always" or case.traits.stateful == "always":
        return skipped("a trait says that it is not")
    layer = case.ready()
    first = case.advance(layer, False)
    for _ in range(4):
        if worst := difference(first, case.advance(layer, False), 0, 0):
            return _varied("two calls with training=False differ", worst)
    if worst := difference(case.advance(layer, False), case.advance(layer), 0, 0):
        return _varied("a call without `training` differs from training=False", worst)


def _varied(message, worst):
    return broken(
        message,
        "predictions are random, or change from call to call",
        "draw only `if training:`, with training=False as the default; make nothing in call()",
        **worst.values(),
    )


@contract("infer.pure", rank=110, excused_by="stateful")
def inference_changes_no_variable(case: Case) -> Answer:
    """A prediction changes the layer's variables.

    Promise: a prediction changes no variable.

    A layer that breaks it:

        def call(self, x):
            self.seen.assign_add(1)
            return x

    Repair: assign only `if training:`.
    Trait: `stateful` says that it is by design.
    """
    if case.traits.stateful == "always":
        return skipped("the trait `stateful` is declared")
    layer = case.ready()
    # A metric counts in evaluate() too; no prediction depends on it.
    metrics = {id(v) for v in layer.metrics_variables}
    before = [(v, x) for v, x in own_state(layer) if id(v) not in metrics]
    case.advance(layer, False)
    case.advance(layer)
    for variable, value in before:
        if worst := difference([as_array(value)], [as_array(variable.value)], 0, 0):
            return broken(
                f"a call at inference changed {variable.path}",
                "predictions depend on the predictions before them",
                "assign to variables only `if training:`",
                variable=variable.path,
                **worst.values(),
            )


@contract("mode.training_reaches_children", advice=True)
def children_learn_the_mode(case: Case) -> Answer:
    """A sub-layer with a training mode does not learn that this is training.

    Promise: sub-layers learn that this is training.

    A layer that breaks it:

        def call(self, x, training=False):
            return self.drop.call(x)

    Repair: hand it on: self.drop(x, training=training).
    """
    layer = case.ready()
    received = {}
    for child in sub_layers(layer):
        if has_mode(child):
            _listen(child, received)
    case.call(layer, training=True)
    for name, modes in received.items():
        if modes and True not in modes:
            return advice(
                f"in training, {name} was called with training={modes[0]}",
                "its dropout, noise or statistics are off while the model trains",
                "hand training on: self.child(x, training=training), and call the child, not .call",
                child=name,
            )


def _listen(child, received):
    modes = received.setdefault(child.name, [])
    inner = child.call

    def call(*args: Any, **kwargs: Any) -> Any:
        modes.append(kwargs.get("training"))
        return inner(*args, **kwargs)

    object.__setattr__(child, "call", call)


@contract("mode.state_advances")
def statistics_move_in_training(case: Case) -> Answer:
    """Non-trainable statistics never change, though the layer trains.

    Promise: statistics move when it trains.

    A layer that breaks it:

        def call(self, x, training=False):
            mean = 0.9 * self.mean + 0.1 * ops.mean(x, 0)  # never assigned
            return x - self.mean

    Repair: assign to the variable `if training:`.
    """
    layer = case.ready()
    own = [v for v in variables_of(layer) if not v.trainable and not is_random_state(v)]
    layers = [layer, *sub_layers(layer)]
    if not own or not (any(map(has_mode, layers)) or case.traits.stateful):
        if case.traits.stateful and not variables_of(layer):
            return broken("the trait `stateful` is declared, but it has no variables")
        return None
    before = [np.array(as_array(v.value)) for v in own]
    for seed in range(3):
        inputs = vary(case.inputs, np.random.default_rng(seed), case.traits)
        case.advance(layer, True, inputs)
    moved = [
        bool(difference([b], [as_array(v.value)], 0, 0)) for b, v in zip(before, own, strict=True)
    ]
    if any(moved):
        return None
    answer = broken if case.traits.stateful else advice
    return answer(
        f"three training calls left {own[0].path} as it was",
        "statistics or counters that never move leave inference at their initial values",
        "assign() to the variable `if training:`; a table that is meant to stay is fine",
        variables=[v.path for v in own[:4]],
    )


def _break(case, outputs, variables, training):
    """What a compiled call gives, against an eager one."""
    if [y.shape for y in outputs[0]] != [y.shape for y in outputs[1]]:
        return broken(f"compiled it returns other shapes than in eager code{_in(training)}")
    for pair, what in ((outputs, "gives other outputs"), (variables, "leaves other state")):
        if worst := difference(pair[0], pair[1], *REORDERED):
            return broken(
                f"compiled it {what}{_in(training)}",
                "fit() and predict() compile: the model trained is not the one that was tried",
                "use keras.ops on tensors, and no Python state or NumPy, in call()",
                **worst.values(),
            )
    return None


def _in(training):
    return " in training" if training else ""


def _eager(case, layer, training):
    """Outputs and variables of an eager call after a compiled one, which breaks what is kept."""
    state = state_of(layer)
    seed_host()
    with layer_code("calling it in eager code after a compiled call"):
        outputs = case.leaves(case.apply(layer, case.tensors(), training))
    variables = [as_array(x) for _, x in state_of(layer)]
    restore(state)
    return outputs, variables


@contract("mode.eager_equals_graph", follows=("compile.jit", "state.no_python_mutation"))
def eager_and_graph_agree(case: Case) -> Answer:
    """Traced into a graph it fails, or computes something else than in eager code.

    Promise: traced into a graph it computes what it computes eagerly.

    A layer that breaks it:

        def call(self, x):
            return x * 2 if ops.mean(x) > 0 else x

    Repair: use ops.where or ops.cond; no Python `if` on a tensor.
    """
    if not can_compile():
        return skipped(f"{BACKEND} runs eagerly")
    if BACKEND == "jax":
        if not case.traits.jit:
            return skipped("the trait `jit` says that it cannot be compiled")
        return case.once("compiled", lambda: _compiled_break(case))
    for training in case.modes:
        # A graph for any number of rows serves shape.none_batch too; the sample's decides.
        graph = graph_of(case, training, () if case.traits.fixed_batch else (0,))
        if graph.problem or _graph_break(case, graph, training):
            graph = graph_of(case, training)
            if graph.problem:
                raise graph.problem
            if found := _graph_break(case, graph, training):
                return found


def _graph_break(case, graph, training):
    compiled = graph.outputs(case, case.inputs)
    eager = _eager(case, graph.layer, training)
    if not case.repeats(graph.layer, training):
        return None
    outputs, variables = zip(eager, compiled, strict=True)
    return _break(case, outputs, variables, training)


@contract("compile.jit", excused_by="jit", slow=True, follows=("state.no_python_mutation",))
def compiles_under_xla(case: Case) -> Answer:
    """It cannot be compiled, or computes something else when it is.

    Promise: XLA compiles it, to the same result.

    A layer that breaks it:

        def call(self, x):
            return tf.py_function(np.sort, [x], x.dtype)

    Repair: use keras.ops on tensors.
    Trait: `jit` says that it is by design. `unordered_axes` leaves an order open.
    """
    if not case.traits.jit:
        return skipped("the trait `jit` says that it cannot be compiled")
    if not can_compile():
        return skipped(f"not compiled on {BACKEND}")
    return case.once("compiled", lambda: _compiled_break(case))


def _compiled_break(case):
    """On JAX, where graphs are compiled, this is the answer of mode.eager_equals_graph too."""
    layer = never_called(case) if BACKEND == "jax" else case.ready(perturb=True)
    for training in case.modes:
        state = state_of(layer)
        seed_host()
        run = compiled(layer, lambda tree, t=training: case.apply(layer, tree, t), jit=True)
        with layer_code(f"calling it under XLA (jit){_in(training)}"):
            outputs = case.leaves(run(case.tensors()))
        variables = [as_array(x) for _, x in state_of(layer)]
        restore(state)
        eager = _eager(case, layer, training)
        with random_draws() as draws:
            alike = case.repeats(layer, training)
        # TensorFlow's XLA draws other numbers from one seed; a missing seed is for random.*.
        if not alike or (draws.any and BACKEND == "tensorflow"):
            continue
        if found := _break(case, (eager[0], outputs), (eager[1], variables), training):
            return found
    return None
