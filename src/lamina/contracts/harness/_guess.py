"""Inputs for a layer that came with none: its own example, its input_spec, then a search."""

from collections.abc import Iterator

import keras
import numpy as np

from lamina._common import Tree
from lamina.contracts._traits import Traits
from lamina.contracts.harness._case import Case
from lamina.contracts.harness._failure import CheckError, LayerFailed, layer_code
from lamina.contracts.harness._layer import required_arguments
from lamina.contracts.harness._target import Target

# First arguments of `call` that commonly take a pair, though they are one argument.
PAIRED = ("query", "inputs_list", "pair")


def guess(target: Target, traits: Traits) -> tuple[Tree, bool]:
    """(inputs, provisional): the class's `example_inputs()` if it has one, else what it accepts."""
    hook = getattr(target.cls, "example_inputs", None)
    if callable(hook):
        with layer_code("calling example_inputs()"):
            return keras.tree.map_structure(np.asarray, hook()), False
    tried = []
    for inputs in candidates(target, traits):
        case = Case(target, inputs, traits)
        try:
            case.first_call(case.fresh())
        except LayerFailed as failure:
            tried.append(failure)
            continue
        return inputs, True
    last = f" On {tried[0].doing}: {tried[0].cause}" if tried else ""
    raise CheckError(
        f"{target.name} could not be called: none of {len(tried)} guessed inputs was accepted. "
        f"Give `inputs`, or a method example_inputs() on the class.{last[:300]}"
    )


def candidates(target: Target, traits: Traits) -> Iterator[Tree]:
    """Sample inputs, the likeliest first."""
    rng = np.random.default_rng(0)
    layer = target.make()
    single = [*from_spec(layer, rng), *usual(rng, traits)]
    named = required_arguments(layer)
    if target.kind != "cell" and len(named) > 1:
        for x in single:
            yield [x.copy() for _ in named]
        return
    if named and named[0] in PAIRED:
        yield from ([x, x.copy()] for x in single)
    yield from single
    for x in single:
        yield [x, x.copy()]


def from_spec(layer: keras.layers.Layer, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """An array that fits a single `input_spec`."""
    spec = getattr(layer, "input_spec", None)
    if not isinstance(spec, keras.InputSpec):
        return
    rank = spec.ndim or spec.min_ndim or (len(spec.shape) if spec.shape else None)
    if rank is None:
        return
    shape = list(spec.shape or [None] * rank)
    shape = [n or (3 if axis == 0 else 6) for axis, n in enumerate(shape)]
    for axis, size in (spec.axes or {}).items():
        if size:
            shape[axis] = size
    if spec.dtype and not keras.backend.is_float_dtype(spec.dtype):
        yield rng.integers(0, 2, shape).astype(spec.dtype)
    else:
        yield rng.standard_normal(shape).astype("float32")


def usual(rng: np.random.Generator, traits: Traits) -> list[np.ndarray]:
    """What layers commonly take: sequences, features, images, ids, volumes, audio."""
    low, high = traits.int_range or (0, 4)
    floats = [(3, 6, 4), (3, 4), (2, 8, 8, 3), (2, 4, 4, 4, 2), (2, 1024), (3, 12, 2), (3, 1)]
    ids = rng.integers(low, high, (3, 6)).astype("int32")
    made = [rng.standard_normal(s).astype("float32") for s in floats]
    return [*made[:1], *([ids] if traits.int_range else []), *made[1:], ids]
