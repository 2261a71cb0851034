"""The contract of small integers: they count as far as integers do."""

import keras
import numpy as np

from lamina._common import Tree
from lamina.contracts._contract import Answer, broken, contract, skipped
from lamina.contracts.harness import Case, LayerFailed, difference, integer_draws, map_leaves

# These do arithmetic in the dtype that they are given, as their documentation says.
MERGES = (
    keras.layers.Add,
    keras.layers.Average,
    keras.layers.Dot,
    keras.layers.Maximum,
    keras.layers.Minimum,
    keras.layers.Multiply,
    keras.layers.Subtract,
)


def _is_small(x: np.ndarray) -> bool:
    return x.dtype.kind in "iu" and x.dtype.itemsize < 4


@contract("dtype.integers", excused_by="integers", rank=128)
def small_integers_are_integers(case: Case) -> Answer:
    """For integers below 32 bits it gives other values than for the same numbers as int32.

    Promise: integers below 32 bits give what the same numbers give as int32.

    A layer that breaks it:

        def call(self, image):  # uint8: 250 + 60 is 54
            return ops.clip(image + 60, 0, 255)

    Repair: cast first: ops.cast(image, "int32"). Keras' merging layers are left out: they say so.
    Trait: `integers` says that it is by design.
    """
    small = [x for x in keras.tree.flatten(case.inputs) if _is_small(x)]
    if not small:
        return skipped("the sample holds no integers below 32 bits")
    if case.traits.integers or isinstance(case.ready(), MERGES):
        return skipped("it computes in the dtype that it is given, by design")
    layer = case.ready(perturb=True)
    for training in case.modes:
        with integer_draws() as drawn:
            case.call(layer, training=training)
        if drawn or not case.repeats(layer, training):
            continue  # Equal seeds draw other numbers in another integer dtype.
        for inputs in (case.inputs, _over_the_range(case)):
            narrow = case.call(layer, inputs, training)
            try:
                wide = case.call(layer, map_leaves(_as_int32, inputs), training)
            except LayerFailed:
                return skipped("it takes no int32")
            if worst := difference(wide, narrow):
                name = small[0].dtype.name
                return broken(
                    f"the {name} sample gives {worst.after:.6g} where the same numbers as int32 "
                    f"give {worst.before:.6g}{' in training' if training else ''}",
                    f"sums and products wrap around at the end of {name}, without an error",
                    "cast first: ops.cast(x, 'int32') or ops.cast(x, self.compute_dtype)",
                    dtype=name,
                    **worst.values(),
                )


def _as_int32(x: np.ndarray) -> np.ndarray:
    return x.astype("int32") if _is_small(x) else x


def _over_the_range(case: Case) -> Tree:
    """The sample with its small integers drawn from all that it is declared to take."""
    if not case.traits.int_range:
        return case.inputs
    rng = case.rng

    def draw(x: np.ndarray) -> np.ndarray:
        if not _is_small(x):
            return x
        low, high = case.traits.int_range or (0, 1)
        info = np.iinfo(x.dtype)
        low, high = max(low, info.min), min(high, info.max + 1)
        return rng.integers(low, high, x.shape).astype(x.dtype)

    return map_leaves(draw, case.inputs)
