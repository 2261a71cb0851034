"""Tables of a layer: weights that never train, stored once, unloaded until their values come."""

from typing import Any

import keras
import numpy as np
from keras import ops

from lamina._common._arrays import to_numpy
from lamina._common._backend import is_concrete
from lamina._common._checks import received
from lamina._common._types import Array


def add_table(layer: keras.layers.Layer, name: str, table: Any) -> keras.Variable:
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


def table_config(weight: keras.Variable) -> dict[str, Any]:
    """What a config says of a table: never its values."""
    dtype = keras.backend.standardize_dtype(weight.dtype)
    return {"shape": list(weight.shape), "dtype": dtype}


def check_loaded(layer: keras.layers.Layer, weight: keras.Variable) -> None:
    """An error where an unloaded table would be used; compiled code gives NaN instead."""
    if 0 in weight.shape:
        return
    # JAX hands the weights themselves to a trace, but traces what is done with them.
    first: Array = weight.value[(slice(1),) * len(weight.shape)]
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


def _checked(name: str, table: Any) -> np.ndarray:
    """The table as an array of real numbers, at least one."""
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
        raise ValueError(f"`{name}` must not hold NaN. Received: NaN at position {where}")
    return values


def _unloaded_value(dtype: Any) -> float | int:
    """What an unloaded table is filled with: NaN, or the smallest integer."""
    dtype = keras.backend.standardize_dtype(dtype)
    if keras.backend.is_float_dtype(dtype):
        return float("nan")
    return int(np.iinfo(dtype).min)
