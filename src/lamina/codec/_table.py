"""Tables of a decoder: weights that never train, stored once, unloaded until their values come."""

from typing import Any

import keras
import numpy as np
from keras import ops

from lamina._common import Array, is_concrete, received, to_numpy
from lamina._common._fast import jit_compiled, take_rows, to_end
from lamina.codec._codes import outside, with_trailing_axes

# A table of up to this many numbers (256 KiB of float32) is copied with rows for NaN and zero at
# its end, which costs less than a pass over the decoded values; a larger one is not.
_SMALL = 1 << 16


def add_table(layer: keras.layers.Layer, name: str, table: Any) -> Any:
    """The weight of a table: an array, or `{"shape", "dtype"}` for one whose values come later.

    It is kept as `table.astype(layer.compute_dtype)`, so that no second rounding can happen.
    """
    if isinstance(table, dict):
        dtype = table.get("dtype", layer.compute_dtype)
        values = np.full(table["shape"], _unloaded_value(dtype), np.dtype(dtype))
    else:
        values = _checked(name, table)
        values = values.astype(np.dtype(layer.compute_dtype))
    return layer.add_weight(
        shape=values.shape,
        dtype=values.dtype.name,
        initializer=lambda shape, dtype: ops.convert_to_tensor(values, dtype),
        trainable=False,
        autocast=False,
        name=name,
    )


def table_config(weight: Any) -> dict[str, Any]:
    """What a config keeps of a table: never its values."""
    dtype = keras.backend.standardize_dtype(weight.dtype)
    return {"shape": list(weight.shape), "dtype": dtype}


def check_loaded(layer: keras.layers.Layer, weight: Any) -> None:
    """An error where an unloaded table would decode; compiled code gives NaN instead."""
    if 0 in weight.shape:
        return
    # In a trace, JAX has the weights themselves, but traces what is computed from them.
    first = weight.value[(slice(1),) * len(weight.shape)]
    if not is_concrete(first):
        return
    first = to_numpy(first).item()
    unloaded = _unloaded_value(weight.dtype)
    if first == unloaded or (unloaded != unloaded and first != first):
        raise ValueError(
            f"The {weight.name} of {type(layer).__name__} {layer.name!r} was never loaded: the "
            "layer was rebuilt from its config, which holds only the shape. Load the weights "
            "(`model.load_weights`, `layer.set_weights`, keras.saving.load_model), or build the "
            f"layer with the {weight.name} itself."
        )


@jit_compiled
def rows(table: Array, index: Array, dtype: str, policy: str, skip: Array | None = None) -> Array:
    """`table[index]` by `policy` where the index is outside, zeros where `skip` is set.

    `index` is int32, made from codes of `dtype`; 'raise' acts as 'nan'.
    """
    size = table.shape[0]
    wrong = outside(index, size, dtype)
    if wrong is not None and policy == "clip":
        index, wrong = ops.clip(index, 0, size - 1), None
    fill = 0.0 if policy == "zero" else float("nan")
    special = [(w, f) for w, f in ((wrong, fill), (skip, 0.0)) if w is not None]
    if not special:
        return take_rows(table, index)
    if int(np.prod(table.shape)) <= _SMALL:
        if wrong is not None:
            index = to_end(index, wrong, size)
        if skip is not None:
            index = ops.where(skip, size + len(special) - 1, index)
        extra = [ops.full((1, *table.shape[1:]), f, table.dtype) for _, f in special]
        return take_rows(ops.concatenate([table, *extra], axis=0), index)
    for where, _ in special:
        index = ops.where(where, 0, index)
    values = take_rows(table, index)
    for where, f in special:
        where = with_trailing_axes(where, len(table.shape) - 1)
        values = ops.where(where, ops.cast(f, table.dtype), values)
    return values


def _checked(name: str, table: Any) -> np.ndarray:
    """The table as an array that can be decoded from."""
    values = np.asarray(table if isinstance(table, list | tuple) else to_numpy(table))
    if values.dtype.kind not in "iufV" or values.dtype.names:
        raise ValueError(f"`{name}` must hold real numbers. {received('dtype', values.dtype)}")
    if values.ndim == 0 or values.shape[0] == 0:
        raise ValueError(
            f"`{name}` must be an array of at least one entry, (entries, ...). "
            f"{received('shape', values.shape)}"
        )
    if np.isnan(values).any():
        where = tuple(int(i) for i in np.argwhere(np.isnan(values))[0])
        raise ValueError(f"`{name}` must not hold NaN. {received('position', where)}")
    return values


def _unloaded_value(dtype: Any) -> float | int:
    """What an unloaded table is filled with: NaN, or the smallest integer."""
    dtype = keras.backend.standardize_dtype(dtype)
    if keras.backend.is_float_dtype(dtype):
        return float("nan")
    return int(np.iinfo(dtype).min)
