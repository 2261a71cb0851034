"""Contracts of randomness: training draws anew, from the layer's own seeds."""

import random

import numpy as np

from lamina.contracts._contract import broken, contract, skipped
from lamina.contracts.harness._backends import BACKEND, can_compile, compiled, random_ops_of_graph
from lamina.contracts.harness._case import layer_code, put_back, repeats, state_of
from lamina.contracts.harness._compare import difference, leaves
from lamina.contracts.harness._spies import random_draws
from lamina.contracts.probes._modes import own_state, raw


@contract("random.fresh")
def each_draw_is_new(case):
    """The same random numbers come at every call: a fixed seed reaches the draw."""
    layer = case.ready()
    for training in (True, False):
        with random_draws() as first:
            raw(case, layer, training)
        with random_draws() as second:
            raw(case, layer, training)
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
def compiled_draws_are_new(case):
    """Eagerly random, compiled it repeats one draw for ever."""
    if not can_compile() or not case.traits.jit:
        return skipped("it is not compiled here")
    layer = case.ready()
    # Each call from one state, seeds apart: what moves on as it trains is no randomness.
    start = own_state(layer)

    def draws_anew(call, count):
        first = leaves(call(given))
        for _ in range(count):
            put_back(start)
            if difference(first, leaves(call(given)), 0, 0):
                return True
        return False

    def eagerly(tree):
        return case.apply(layer, tree, True)

    given = case.tensors()
    with layer_code("calling it in training"):
        if not draws_anew(eagerly, 8):
            return None
    # JAX compiles with jit only; on TensorFlow a graph shows it as well, and compiles faster.
    run = compiled(layer, eagerly, jit=BACKEND == "jax")
    put_back(start)
    with layer_code("calling it compiled, in training"):
        if draws_anew(run, 24):
            return None
    return broken(
        "eager calls differ, but 25 compiled ones are all equal",
        "in fit() the noise is one constant, drawn once at tracing",
        "draw with keras.random and a SeedGenerator of the layer, never NumPy or `random`",
    )


@contract("random.no_global_rng")
def global_generators_are_left_alone(case):
    """A call uses up random numbers of the whole process: no seed of the layer controls it."""
    layer = case.ready()
    own = {id(v) for v in layer.variables}
    for training in (True, False):
        before = _host_states()
        with random_draws() as draws:
            raw(case, layer, training)
        used = [n for n, state in _host_states().items() if state != before[n]]
        strangers = [g for g in draws.generators if id(g.state) not in own]
        used += [f"the Keras seed generator `{g.name}`" for g in strangers[:1]]
        used += _graph_draws(case, layer, training)
        if not (used or case.traits.python_state or repeats(case, layer, training)):
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
        found = random_ops_of_graph(layer, lambda t: case.apply(layer, t, training), case.tensors())
    except Exception:
        return []  # mode.eager_equals_graph tells
    finally:
        put_back(state)
    return [f"TensorFlow's global generator ({name})" for name in found]


def _host_states():
    _, keys, place, *_ = np.random.get_state()  # noqa: NPY002
    states = {
        "NumPy's global generator": (keys.tobytes(), place),
        "Python's `random`": random.getstate(),
    }
    if BACKEND == "torch":
        import torch

        states["torch's global generator"] = torch.get_rng_state().numpy().tobytes()
    return states
