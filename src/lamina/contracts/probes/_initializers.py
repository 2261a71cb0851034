"""The contract of initializers: seed, dtype and shape are honoured."""

import json

import keras
import numpy as np

from lamina.contracts._contract import Answer, broken, contract
from lamina.contracts.harness import (
    Case,
    LayerFailed,
    as_array,
    difference,
    has_float64,
    layer_code,
)

SHAPES = ((4, 4), (3, 4, 8), (3, 6, 2), (5, 5, 3, 8), (6,))


@contract("initializer.honoured", rank=20, target="initializer")
def seed_dtype_and_shape_are_honoured(case: Case) -> Answer:
    """It ignores its seed, or the dtype or shape that it is asked for.

    Promise: seed, dtype and shape are honoured.

    A layer that breaks it:

        def __call__(self, shape, dtype=None):
            return keras.random.normal(shape, seed=0)

    Repair: hand dtype and self.seed on.
    """
    accepted = [s for s in SHAPES if _value(case.fresh(), s, "float32", quiet=True) is not None]
    if not accepted:
        return broken(f"it accepts none of the shapes {SHAPES}")
    for shape in accepted:
        for dtype in ("float32", "float16", "bfloat16", *(("float64",) if has_float64() else ())):
            value = _value(case.fresh(), shape, dtype)
            has = keras.backend.standardize_dtype(value.dtype)
            if tuple(value.shape) != shape or has != dtype:
                return broken(
                    f"asked for {dtype}{shape} it gives {has}{tuple(value.shape)}",
                    "weights have another dtype or shape than the layer asked for",
                    "end with ops.cast(value, dtype), and use `shape` as it comes",
                )
    return _seed(case, accepted[0]) or _config(case, accepted[0])


def _value(initializer, shape, dtype, quiet=False):
    try:
        with layer_code(f"calling it for {dtype}{shape}"):
            return initializer(shape, dtype=dtype)
    except LayerFailed:
        if quiet:
            return None
        raise


def _array(initializer, shape):
    return as_array(np.asarray(keras.ops.convert_to_numpy(_value(initializer, shape, "float32"))))


def _seed(case, shape):
    """Equal seeds give equal values, different seeds different ones."""
    first = case.fresh()
    if difference([_array(first, shape)], [_array(first, shape)], 0, 0):
        if getattr(first, "seed", None) is not None and isinstance(first.seed, int):
            return broken(
                "one initializer with one seed gives two different values",
                "runs cannot be repeated",
                "hand self.seed to the draw",
            )
    if case.target.kwargs is None or "seed" not in first.get_config():
        return None
    with_seed = [case.target.cls(**{**case.target.kwargs, "seed": s}) for s in (1, 1, 2)]
    one, same, other = (_array(i, shape) for i in with_seed)
    if difference([one], [same], 0, 0):
        return broken(
            "two with the same seed give different values",
            "runs cannot be repeated",
            "hand self.seed to the draw, not a generator of the process",
        )
    if not difference([one], [other], 0, 0) and np.ptp(one) > 0:
        return broken(
            "two with different seeds give the same values",
            "layers that should differ start equal",
            "hand self.seed to the draw",
        )
    return None


def _config(case, shape):
    first = case.fresh()
    with layer_code("its get_config() and from_config()"):
        text = json.dumps(keras.saving.serialize_keras_object(first))
        again = keras.saving.deserialize_keras_object(
            json.loads(text), custom_objects=case.target.scope
        )
    if getattr(first, "seed", None) is None and np.ptp(_array(first, shape)) > 0:
        return None
    if difference([_array(first, shape)], [_array(again, shape)], 0, 0):
        return broken(
            "rebuilt from its config it gives other values",
            "a reloaded model starts from other weights",
            "return every argument, the seed too, from get_config",
        )
    return None
