"""Contracts of randomness: every call draws new numbers, from the layer's own seeds."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from lamina._common import Tree
from lamina.contracts._contract import Answer, broken, contract, skipped
from lamina.contracts.harness import (
    BACKEND,
    Case,
    can_compile,
    compiled,
    difference,
    layer_code,
    leaves,
    own_state,
    random_draws,
    random_ops_of_graph,
    restore,
    state_of,
)


@contract("random.fresh", rank=100)
def each_draw_is_new(case: Case) -> Answer:
    """The same random numbers come at every call: a fixed seed reaches the draw."""
    layer = case.ready()
    for training in (True, False):
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


@contract("random.fresh_when_compiled", follows=("random.no_global_rng",))
def compiled_draws_are_new(case: Case) -> Answer:
    """Eagerly random, compiled it repeats one draw for ever."""
    if not can_compile() or not case.traits.jit:
        return skipped("it is not compiled here")
    layer = case.ready()
    # Each call from one state but for the seeds: what moves as it trains is no randomness.
    start = own_state(layer)

    def draws_new_numbers(call: Callable[[Tree], Tree], count: int) -> bool:
        first = leaves(call(given))
        for _ in range(count):
            restore(start)
            if difference(first, leaves(call(given)), 0, 0):
                return True
        return False

    # Without annotations: TensorFlow's messages about the layer quote this function's signature.
    def eagerly(tree):
        return case.apply(layer, tree, True)

    given = case.tensors()
    # A layer may draw seldom: compiled, it gets three times as many calls to show that it does.
    with layer_code("calling it in training"):
        if not draws_new_numbers(eagerly, 8):
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
    """A call uses up random numbers of the whole process: no seed of the layer controls it."""
    layer = case.ready()
    own = {id(v) for v in layer.variables}
    for training in (True, False):
        before = _host_states()
        with random_draws() as draws:
            case.advance(layer, training)
        used = [n for n, state in _host_states().items() if state != before[n]]
        strangers = [g for g in draws.generators if id(g.state) not in own]
        used += [f"the Keras seed generator `{g.name}`" for g in strangers[:1]]
        used += _graph_draws(case, layer, training)
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


def _graph_draws(case, layer, training):
    state = state_of(layer)
    try:
        found = random_ops_of_graph(lambda t: case.apply(layer, t, training), case.tensors())
    except Exception:
        return []  # mode.eager_equals_graph reports it.
    finally:
        restore(state)
    return [f"TensorFlow's global generator ({name})" for name in found]


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
