"""Contracts of randomness: every call draws new numbers, from the layer's own seeds."""

import random
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from lamina._common import Tree
from lamina.contracts._contract import Answer, broken, contract, skipped
from lamina.contracts.harness import (
    BACKEND,
    Case,
    LayerFailed,
    can_compile,
    compiled,
    difference,
    graph_of,
    is_float,
    layer_code,
    own_state,
    random_draws,
    restore,
    rows,
)


@contract("random.fresh", rank=100)
def each_draw_is_new(case: Case) -> Answer:
    """The same random numbers come at every call: a fixed seed reaches the draw.

    Promise: each call draws new numbers.

    A layer that breaks it:

        def call(self, x, training=False):
            return x + keras.random.normal(ops.shape(x), seed=42)

    Repair: keep a keras.random.SeedGenerator, and hand it to the draw.
    """
    layer = case.ready()
    for training in case.modes[::-1]:
        with random_draws() as first:
            case.advance(layer, training)
        with random_draws() as second:
            case.advance(layer, training)
        host = sorted(set(first.host) & set(second.host))
        repeated = sorted(set(first.seeds) & set(second.seeds))
        if host or repeated:
            name, seed = (host or repeated)[0]
            return broken(
                f"{name} is called with the same seed {seed} at every call",
                "the noise is one constant: it regularises nothing and samples nothing",
                "make self.seed_generator = keras.random.SeedGenerator(seed) in __init__ and hand "
                "it to the draw",
                draw=name,
                seed=seed,
            )
    if case.traits.stochastic and not case.varies(layer, True, draws=24):
        return broken(
            "the trait `stochastic` is declared, but 25 training calls were equal",
            "the noise is one constant, or there is none",
            "make self.seed_generator = keras.random.SeedGenerator(seed) in __init__",
        )


@contract("random.per_row", excused_by="draws", rank=105, follows=("random.no_global_rng",))
def each_row_draws_for_itself(case: Case) -> Answer:
    """Identical rows get identical draws: one draw serves the whole batch.

    Promise: identical rows get draws of their own in training.

    A layer that breaks it:

        def call(self, x, training=False):
            return x * keras.random.uniform((1, 1, 1), seed=self.seeds)

    Repair: put the batch into the shape: (ops.shape(x)[0], 1, 1).
    Trait: `draws` says that it is by design.
    """
    if case.traits.draws == "batch":
        return skipped("the trait `draws` is declared")
    training = True in case.modes
    same = rows(case.inputs, [_richest_row(case)] * (case.batch if case.traits.fixed_batch else 4))
    layer, before = case.ready(), _host_states()
    try:
        with random_draws() as draws:
            case.call(layer, same, training)
    except LayerFailed:
        return skipped("it does not take these rows: see shape.any_batch")
    if not draws.any and _host_states() == before:
        return skipped("it draws no random numbers")
    # As in random.fresh_when_compiled: from one state but for the seeds.
    start, first, moved = own_state(layer), None, None
    for _ in range(12):
        out = case.advance(layer, training, same)
        restore(start)
        out = [y for y in out if y.ndim and y.shape[0] == case.with_inputs(same).batch]
        if not out or difference([np.broadcast_to(y[:1], y.shape) for y in out], out):
            return None
        first = first or out
        moved = moved or difference(first, out)
    if moved is None:
        return skipped("its draws do not reach its output")
    return broken(
        "twelve training calls gave each of the identical rows the same, and other values each "
        "time",
        "one draw serves the whole batch: it regularises less, and the batch size changes it",
        "draw with the batch in the shape: (ops.shape(x)[0], 1, 1)",
        **moved.values(),
    )


def _richest_row(case):
    """The row of the largest numbers: noise that multiplies zeros does not show."""
    first = next((x for x in keras.tree.flatten(case.inputs) if x.ndim and is_float(x)), None)
    return 0 if first is None else int(np.abs(first.reshape(len(first), -1)).sum(1).argmax())


@contract("random.fresh_when_compiled", follows=("random.no_global_rng",))
def compiled_draws_are_new(case: Case) -> Answer:
    """Eagerly random, compiled it repeats one draw for ever.

    Promise: compiled, each call draws new numbers too.

    A layer that breaks it:

        def call(self, x, training=False):
            return x + np.random.normal(size=(4,))  # drawn once, at tracing

    Repair: draw with keras.random and a SeedGenerator.
    """
    if not can_compile() or not case.traits.jit:
        return skipped("it is not compiled here")
    layer = case.ready()
    # Each call from one state but for the seeds: what moves as it trains is no randomness.
    start = own_state(layer)

    def draws_new_numbers(call: Callable[[Tree], Tree], count: int) -> bool:
        first = case.leaves(call(given))
        for _ in range(count):
            restore(start)
            if difference(first, case.leaves(call(given)), 0, 0):
                return True
        return False

    # Without annotations: TensorFlow's messages about the layer quote this function's signature.
    def eagerly(tree):
        return case.apply(layer, tree, True)

    given = case.tensors()
    before = _host_states()
    with layer_code("calling it in training"), random_draws() as draws:
        eagerly(given)
    restore(start)
    # What draws from the clock alone shows in two calls, what draws seldom in eight.
    seen = draws.any or _host_states() != before
    # A layer may draw seldom: compiled, it gets three times as many calls to show that it does.
    with layer_code("calling it in training"):
        if not draws_new_numbers(eagerly, 8 if seen else 2):
            return None
    # JAX compiles with jit only; on TensorFlow a graph shows it as well, and compiles faster.
    run = compiled(layer, eagerly, jit=BACKEND == "jax")
    restore(start)
    with layer_code("calling it compiled, in training"):
        if draws_new_numbers(run, 24):
            return None
    return broken(
        "eager calls differ, but 25 compiled ones are all equal",
        "in fit() the noise is one constant, drawn once at tracing",
        "draw with keras.random and a SeedGenerator of the layer, never NumPy or `random`",
    )


@contract("random.no_global_rng", rank=90)
def global_generators_are_left_alone(case: Case) -> Answer:
    """A call uses up random numbers of the whole process: no seed of the layer controls it.

    Promise: it draws from its own seeds alone.

    A layer that breaks it:

        def call(self, x, training=False):
            return x + keras.random.normal(ops.shape(x))  # Keras' global seed

    Repair: make a SeedGenerator in __init__, and hand it to every draw.
    """
    layer = case.ready()
    own = {id(v) for v in layer.variables}
    for training in case.modes[::-1]:
        before = _host_states()
        with random_draws() as draws:
            case.advance(layer, training)
        used = [n for n, state in _host_states().items() if state != before[n]]
        strangers = [g for g in draws.generators if id(g.state) not in own]
        used += [f"the Keras seed generator `{g.name}`" for g in strangers[:1]]
        used += _graph_draws(case, training)
        if not (used or case.traits.python_state or case.repeats(layer, training)):
            used = ["what no seed can set, such as the clock or the operating system"]
        if used:
            return broken(
                f"a call draws from {used[0]}",
                "results depend on everything else that draws; two runs cannot be made equal",
                "make self.seed_generator = keras.random.SeedGenerator(seed) in __init__ and hand "
                "it to keras.random.*",
                drawn_from=used,
            )


def _graph_draws(case, training):
    """Draws in the traced call; that it cannot be traced mode.eager_equals_graph reports."""
    if BACKEND != "tensorflow":
        return []
    graph = graph_of(case, training, () if case.traits.fixed_batch else (0,))
    if graph.problem and not case.traits.fixed_batch:
        graph = graph_of(case, training)
    return [f"TensorFlow's global generator ({name})" for name in graph.draws]


def _host_states():
    numpy = np.random.get_state(legacy=False)["state"]  # noqa: NPY002
    states: dict[str, Any] = {
        "NumPy's global generator": (numpy["key"].tobytes(), numpy["pos"]),
        "Python's `random`": random.getstate(),
    }
    if BACKEND == "torch":
        import torch

        states["torch's global generator"] = torch.get_rng_state().numpy().tobytes()
    return states
