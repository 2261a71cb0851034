"""Contracts of state: every variable is known, built, and the only thing that changes."""

import contextlib
import gc
import inspect
import warnings

import keras
import numpy as np

from lamina.contracts._contract import LayerFailed, advice, broken, contract, skipped
from lamina.contracts.harness._backends import is_raw_variable, variables_of
from lamina.contracts.harness._case import layer_code, seed_host
from lamina.contracts.harness._spies import variables_made


@contract("weights.tracked")
def every_variable_is_a_weight(case):
    """A variable that the layer does not list is neither trained nor saved."""
    with variables_made() as early:
        layer = case.fresh()
        case.call(layer)
    with variables_made() as late:
        for training in (False, True):
            with layer_code("calling it"):
                case.apply(layer, case.tensors(), training)
    known = {id(v) for v in _all_variables(layer)}
    lost = _lost(early, known) or [path for _, path in _outside(late, known)]
    lost += raw_variables(layer, known)
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
    """Variables made and not among the known; of random state, random.no_global_rng tells."""
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


def raw_variables(layer, known, depth=3):
    """Backend variables in the layer's attributes that are no Keras weights."""
    found, seen = [], set()

    def look(value, where, depth):
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


def attributes(layer):
    """A layer's own attributes: not those that every Keras layer has."""
    plain = _plain_attributes()
    return {n: v for n, v in vars(layer).items() if n not in plain}


_PLAIN: set[str] = set()


def _plain_attributes():
    """What an empty layer has once called."""
    if not _PLAIN:
        empty = keras.layers.Layer()
        model = keras.layers.Identity()
        model(np.zeros((1, 1), "float32"))
        _PLAIN.update(vars(empty), vars(model))
        _PLAIN.discard("supports_masking")
    return _PLAIN


@contract("weights.unique_paths", advice=True)
def weights_have_paths_of_their_own(case):
    """Two weights have one path: messages and path-keyed formats cannot tell them apart."""
    paths = [v.path for v in case.ready().weights]
    if double := sorted({p for p in paths if paths.count(p) > 1}):
        return advice(
            f"several weights are called {double[0]}",
            "tools that go by a weight's path take one for the other",
            "give each weight and sub-layer a name of its own",
            paths=double,
        )


def build_only(case, layer, batch=None):
    """`layer.build` on the shapes of the inputs, as a parent's build does; nothing is called."""
    symbols = case.symbols(batch)
    args, kwargs = case.arguments(layer, symbols)
    shapes = [
        keras.tree.map_structure(lambda s: _Shape(s.shape), a) for a in [*args, *kwargs.values()]
    ]
    shapes = [_unwrapped(s) for s in shapes]
    names = [p for p in inspect.signature(layer.build).parameters if p not in ("args", "kwargs")]
    call_names = list(inspect.signature(layer.call).parameters)
    if len(names) > 1:
        by_name = dict(zip([*call_names[: len(args)], *kwargs], shapes, strict=False))
        given = {
            n: by_name[n.removesuffix("_shape")]
            for n in names
            if n.removesuffix("_shape") in by_name
        }
    else:
        given = {names[0]: shapes[0]} if names else {}
    with warnings.catch_warnings(), layer_code("build() on its input shapes"):
        warnings.simplefilter("ignore")
        if given:
            layer.build(**given)
        else:
            layer.build(shapes[0])


class _Shape:
    """A shape as a leaf: a bare tuple would be taken for a nest."""

    def __init__(self, shape):
        self.shape = tuple(shape)


def _unwrapped(tree):
    if isinstance(tree, _Shape):
        return tree.shape
    if isinstance(tree, dict):
        return {k: _unwrapped(v) for k, v in tree.items()}
    return type(tree)(_unwrapped(v) for v in tree)


def builds_itself(layer):
    """Did the author write build()? Keras builds the others by calling them."""
    own = getattr(type(layer).build, "__wrapped__", type(layer).build)
    return own is not keras.layers.Layer.build and type(layer).build is not keras.layers.Layer.build


@contract("build.complete", excused_by="fixed_batch")
def build_makes_every_weight(case):
    """build() leaves weights to be made by the first call."""
    layer = case.fresh()
    if layer.built or not builds_itself(layer):
        return skipped("it has no build() of its own: Keras builds it by calling it")
    build_only(case, layer, case.batch if case.traits.fixed_batch else None)
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


@contract("state.no_python_mutation", excused_by="python_state")
def calls_change_no_attribute(case):
    """A call changes a Python attribute: compiled, that happens once, and it is not saved."""
    layer = case.fresh()
    if builds_itself(layer) and not layer.built:
        with contextlib.suppress(LayerFailed):
            build_only(case, layer, case.batch)
    constants = _tensors_held(layer)
    case.call(layer)
    first, shown = python_state(layer), {}
    for training in (None, None, True, True, None):
        seed_host()
        with layer_code("calling it again"):
            case.apply(layer, case.tensors(), training)
        later = python_state(layer)
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


def python_state(layer):
    """Every attribute of the layer and its sub-layers, as something that can be compared."""
    found, seen = {}, set()

    def walk(value, prefix):
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
