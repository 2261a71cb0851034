"""Inputs for a layer that came with none: its own example, its input_spec, then a search."""

import keras
import numpy as np

from lamina.contracts._contract import LayerFailed
from lamina.contracts.harness._case import Case, layer_code, required_arguments
from lamina.contracts.harness._target import CheckError


def guess(target, traits):
    """(inputs, provisional): the class's `example_inputs()` if it has one, else what it accepts."""
    hook = getattr(target.cls, "example_inputs", None)
    if callable(hook):
        with layer_code("calling example_inputs()"):
            return keras.tree.map_structure(np.asarray, hook()), False
    tried = []
    for inputs in candidates(target, traits):
        case = Case(target, inputs, traits)
        try:
            case.call(case.fresh())
        except LayerFailed as failure:
            tried.append(failure)
            continue
        return inputs, True
    last = f" On {tried[0].doing}: {tried[0].cause}" if tried else ""
    raise CheckError(
        f"{target.name} could not be called: none of {len(tried)} guessed inputs was accepted. "
        f"Give `inputs`, or a method example_inputs() on the class.{last[:300]}"
    )


def candidates(target, traits):
    """Sample inputs, the likeliest first."""
    rng = np.random.default_rng(0)
    layer = target.make()
    single = [*from_spec(layer, rng), *usual(rng, traits)]
    count = len(required_arguments(layer))
    named = required_arguments(layer)
    if target.kind != "cell" and count > 1:
        for x in single:
            yield [x.copy() for _ in range(count)]
        return
    masked_names = ("query", "inputs_list", "pair")
    if named and named[0] in masked_names:
        yield from ([x, x.copy()] for x in single)
    yield from single
    for x in single:
        yield [x, x.copy()]


def from_spec(layer, rng):
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


def usual(rng, traits):
    """What layers commonly take: sequences, features, images, ids, volumes, audio."""
    high = traits.int_range[1] if traits.int_range else 4
    low = traits.int_range[0] if traits.int_range else 0
    floats = [(3, 6, 4), (3, 4), (2, 8, 8, 3), (2, 4, 4, 4, 2), (2, 1024), (3, 12, 2), (3, 1)]
    ids = rng.integers(low, high, (3, 6)).astype("int32")
    made = [rng.standard_normal(s).astype("float32") for s in floats]
    return [*made[:1], *([ids] if traits.int_range else []), *made[1:], ids]
