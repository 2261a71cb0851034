"""Contracts of state: every variable is known, built, and the only thing that changes."""

import contextlib
import gc
import inspect
from typing import Any

import keras
import numpy as np

from lamina.contracts._contract import Answer, advice, broken, contract, skipped
from lamina.contracts.harness import (
    Case,
    LayerFailed,
    attributes,
    has_own_build,
    is_raw_variable,
    layer_code,
    seed_host,
    variables_made,
    variables_of,
)


@contract("weights.tracked", rank=70)
def every_variable_is_a_weight(case: Case) -> Answer:
    """A variable that the layer does not list is neither trained nor saved.

    Promise: every variable is listed by the layer, so it is trained and saved.

    A layer that breaks it:

        def build(self, shape):
            self.kernel = tf.Variable(tf.zeros(shape[1:]))

    Repair: make weights with add_weight, sub-layers as attributes.
    """
    with variables_made() as early:
        layer = case.fresh()
        case.call(layer)
    with variables_made() as late:
        for training in (False, True):
            with layer_code("calling it"):
                case.apply(layer, case.tensors(), training)
    known = {id(v) for v in _all_variables(layer)}
    lost = _lost(early, known) or [path for _, path in _outside(late, known)]
    lost += _raw_variables(layer, known)
    if lost:
        when = "while being called" if not _lost(early, known) and late else "when made or built"
        return broken(
            f"{len(lost)} variable(s) made {when} are not among its weights: {lost[0]}",
            "they are not trained, not saved, and not moved to another device",
            "make weights with add_weight, and sub-layers as attributes, in __init__ or build",
            variables=lost[:5],
        )


def _all_variables(layer):
    """Keras variables, and what backs them."""
    found = variables_of(layer)
    return [*found, *(v.value for v in found)]


def _outside(made, known):
    """Variables made and not among the known; random state is for random.no_global_rng."""
    pairs = [(ref(), path) for ref, path in made]
    return [
        (v, path)
        for v, path in pairs
        if (v is None or id(v) not in known) and "seed_generator" not in path
    ]


def _lost(made, known):
    """Of those made at construction: what is still alive, so that something holds it."""
    alive = [(v, path) for v, path in _outside(made, known) if v is not None]
    if not alive:
        return []
    del alive
    gc.collect()
    return [path for v, path in _outside(made, known) if v is not None]


def _raw_variables(layer, known, depth=3):
    """Backend variables in the layer's attributes that are no Keras weights."""
    found, seen = [], set()

    def look(value: Any, where: str, depth: int) -> None:
        if id(value) in seen or depth < 0:
            return
        seen.add(id(value))
        if is_raw_variable(value):
            if id(value) not in known:
                found.append(where)
        elif isinstance(value, dict):
            for key, inner in list(value.items()):
                look(inner, f"{where}[{key!r}]", depth - 1)
        elif isinstance(value, list | tuple | set):
            for number, inner in enumerate(list(value)):
                look(inner, f"{where}[{number}]", depth - 1)
        elif isinstance(value, keras.layers.Layer):
            for name, inner in attributes(value).items():
                look(inner, f"{where}.{name}", depth)

    look(layer, layer.name, depth)
    return found


@contract("weights.unique_paths", advice=True)
def weights_have_paths_of_their_own(case: Case) -> Answer:
    """Two weights have one path: messages and path-keyed formats cannot tell them apart.

    Promise: each weight has a path of its own.

    A layer that breaks it:

        self.a = self.add_weight(shape=(4,), name="scale")
        self.b = self.add_weight(shape=(4,), name="scale")

    Repair: name them apart.
    """
    paths = [v.path for v in case.ready().weights]
    if double := sorted({p for p in paths if paths.count(p) > 1}):
        return advice(
            f"several weights are called {double[0]}",
            "tools that go by a weight's path take one for the other",
            "give each weight and sub-layer a name of its own",
            paths=double,
        )


@contract("build.complete", rank=180, excused_by="fixed_batch")
def build_makes_every_weight(case: Case) -> Answer:
    """build() leaves weights to be made by the first call.

    Promise: build() makes every weight, those of sub-layers too.

    A layer that breaks it:

        def build(self, shape):
            self.inner = keras.layers.Dense(3)  # built by the first call only

    Repair: call self.inner.build(shape).
    Trait: `fixed_batch` says that it is by design.
    """
    layer = case.fresh()
    if layer.built or not has_own_build(layer):
        return skipped("it has no build() of its own: Keras builds it by calling it")
    case.build_only(layer, case.batch if case.traits.fixed_batch else None)
    built = [(tuple(v.shape), v.dtype) for v in layer.weights]
    case.call(layer)
    called = [(tuple(v.shape), v.dtype) for v in layer.weights]
    if built != called:
        return broken(
            f"after build() it has {len(built)} weights, after a call {len(called)}",
            "load_weights on a built model that was not called yet loses the rest without an error",
            "build the sub-layers in build(): self.child.build(shape)",
            built=[s for s, _ in built],
            called=[s for s, _ in called],
        )


@contract("state.no_python_mutation", rank=80, excused_by="python_state")
def calls_change_no_attribute(case: Case) -> Answer:
    """A call changes a Python attribute: compiled, that happens once, and it is not saved.

    Promise: a call changes no Python attribute.

    A layer that breaks it:

        def call(self, x):
            self.count += 1
            return x

    Repair: keep what changes in a non-trainable weight, or return it.
    Trait: `python_state` says that it is by design.
    """
    layer = case.fresh()
    if has_own_build(layer) and not layer.built:
        with contextlib.suppress(LayerFailed):
            case.build_only(layer, case.batch)
    constants = _tensors_held(layer)
    case.call(layer)
    first, shown = _python_state(layer), {}
    for training in (None, None, True, True, None):
        seed_host()
        with layer_code("calling it again"):
            case.apply(layer, case.tensors(), training)
        later = _python_state(layer)
        for name in sorted(set(first) | set(later)):
            if first.get(name) != later.get(name):
                shown.setdefault(name, (str(first.get(name))[:80], str(later.get(name))[:80]))
    allowed = case.traits.python_state
    if allowed is True:
        return None
    kept = sorted(_tensors_held(layer) - constants)
    changed = [*shown, *(n for n in kept if n not in shown)]
    names = [n for n in changed if n.split(".")[-1] not in allowed and n not in allowed]
    if names:
        kind = "keeps a tensor in" if names[0] in kept else "changes"
        return broken(
            f"a call {kind} the attribute `{names[0]}`",
            "compiled code runs that once, at tracing: a counter stands still, a kept tensor leaks",
            "keep what changes in a non-trainable weight and assign() it; return what others need",
            attributes=names,
            first=shown.get(names[0], ("", "a tensor"))[0],
            later=shown.get(names[0], ("", "a tensor"))[1],
        )


def _python_state(layer):
    """Every attribute of the layer and its sub-layers, as something that can be compared."""
    found, seen = {}, set()

    def walk(value: Any, prefix: str) -> None:
        if id(value) in seen:
            return
        seen.add(id(value))
        for name, inner in attributes(value).items():
            path = f"{prefix}{name}"
            if isinstance(inner, keras.layers.Layer):
                walk(inner, f"{path}.")
            else:
                found[path] = _print(inner, 4)
                for number, child in enumerate(_children(inner)):
                    walk(child, f"{path}[{number}].")

    walk(layer, "")
    return found | {name: _print(value, 3) for name, value in _module_state(type(layer)).items()}


def _module_state(cls):
    """Containers and numbers of a module that methods of the author's own classes read."""
    found = {}
    for owner in cls.__mro__:
        if owner.__module__.startswith(("keras.", "builtins")):
            continue
        for method in filter(inspect.isfunction, vars(owner).values()):
            there = method.__globals__
            names = {n for n in method.__code__.co_names if n in there}
            kinds = (dict, list, set, int, float, np.ndarray)
            found |= {
                f"{owner.__module__}.{n}": there[n] for n in names if isinstance(there[n], kinds)
            }
    return found


def _children(value):
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list | tuple | set):
        return []
    nested = [v for v in value if isinstance(v, keras.layers.Layer)]
    return nested + [c for v in value if isinstance(v, list | tuple | dict) for c in _children(v)]


def _print(value, depth):
    """A fingerprint: equal for equal Python state, by identity for tensors and functions."""
    if isinstance(value, keras.Variable | keras.layers.Layer | keras.random.SeedGenerator):
        return ("keras", id(value))
    if isinstance(value, bool | int | float | str | bytes | type(None) | complex):
        return repr(value)
    if isinstance(value, np.ndarray):
        return ("array", value.shape, value.dtype.str, hash(value.tobytes()))
    if keras.ops.is_tensor(value) or isinstance(value, keras.KerasTensor):
        return ("tensor", id(value))
    if isinstance(value, np.random.Generator):
        return ("generator", repr(value.bit_generator.state))
    if depth == 0 or inspect.isroutine(value) or isinstance(value, type):
        return type(value).__name__
    if isinstance(value, dict):
        return ("dict", [(repr(k), _print(v, depth - 1)) for k, v in value.items()])
    if isinstance(value, list | tuple):
        return ("list", [_print(v, depth - 1) for v in value])
    if isinstance(value, set | frozenset):
        return ("set", sorted(repr(v) for v in value))
    if type(value).__module__.startswith("keras"):
        return type(value).__name__
    slots = [n for c in type(value).__mro__ for n in getattr(c, "__slots__", ())]
    inside = {n: getattr(value, n, None) for n in slots} | getattr(value, "__dict__", {})
    if not inside and not hasattr(value, "__dict__"):
        return repr(value)[:1000]  # Counters, queues: what they show is their state.
    return (type(value).__name__, [(k, _print(v, depth - 1)) for k, v in inside.items()])


def _tensors_held(layer):
    """Attributes that hold a tensor."""
    return {n for n, v in attributes(layer).items() if _holds_tensor(v)}


def _holds_tensor(value, depth=2):
    if isinstance(value, keras.Variable | keras.layers.Layer):
        return False
    if keras.ops.is_tensor(value) and not is_raw_variable(value):
        return True
    if depth and isinstance(value, dict):
        return any(_holds_tensor(v, depth - 1) for v in value.values())
    return (
        bool(depth)
        and isinstance(value, list | tuple)
        and any(_holds_tensor(v, depth - 1) for v in value)
    )
