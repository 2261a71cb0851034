"""The points of a model that can be tapped."""

from typing import Any, NamedTuple

import keras
import numpy as np

from lamina._common import Tree, received
from lamina.taps._build import symbolic
from lamina.taps._paths import check_model
from lamina.taps._recorder import Recorder


class TapName(NamedTuple):
    """A point to tap, as `tap_names` lists it.

    Attributes:
        path: The path of the layer, as `Tap` takes it.
        layer: The name of its class.
        calls: How often the model calls it.
        shape: The shape of the output of its first call, a tuple; nested as the output is.
        dtype: Its dtype, nested likewise.
    """

    path: str
    layer: str
    calls: int
    shape: Any
    dtype: Any


def tap_names(model: keras.layers.Layer, inputs: Tree) -> list[TapName]:
    """Every point of a model that a tap can reach, in the order of the calls.

    One symbolic pass: nothing is computed and no state changes. An unbuilt model is built by it.

    Args:
        model: Any Keras layer or model.
        inputs: What the model takes: arrays, symbolic tensors (`keras.Input`, `keras.KerasTensor`)
            or a nested structure of them.

    Returns:
        A list of `TapName(path, layer, calls, shape, dtype)`; `layer` is the name of its class.
        For a layer with several outputs, shape and dtype are nested as these are.

    Raises:
        ValueError: if the model cannot be called on such inputs.

    Example:
        >>> model = keras.Sequential([keras.layers.Dense(3, name="a"), keras.layers.ReLU()])
        >>> tap_names(model, keras.Input((4,)))[0].path
        'a'
        >>> tap_names(model, keras.Input((4,)))[0].shape
        (None, 3)
    """
    check_model(model)
    specs = keras.tree.map_structure(_spec, inputs)
    calls: dict[tuple[str, keras.layers.Layer], list[Tree]] = {}

    def run(x: Tree) -> list[Tree]:
        calls.clear()  # JAX runs this twice where sizes are unknown
        with Recorder(
            model, lambda path, layer, _, y: calls.setdefault((path, layer), []).append(y)
        ):
            model(x)
        return [outputs[0] for outputs in calls.values()]

    try:
        if not model.built:
            symbolic(model, specs)
        outputs = symbolic(run, specs)
    except Exception as error:
        raise ValueError(
            f"{model.name} ({type(model).__name__}) cannot be called on `inputs`. {error} "
            + received("inputs", specs)
        ) from error
    return [
        TapName(
            path,
            type(layer).__name__,
            len(seen),
            keras.tree.map_structure(lambda x: tuple(x.shape), output),
            keras.tree.map_structure(lambda x: x.dtype, output),
        )
        for ((path, layer), seen), output in zip(calls.items(), outputs, strict=True)
    ]


def _spec(x: Any) -> keras.KerasTensor:
    if isinstance(x, keras.KerasTensor):
        return keras.KerasTensor(x.shape, x.dtype)
    if not hasattr(x, "shape"):
        x = np.asarray(x)
    return keras.KerasTensor(x.shape, keras.backend.standardize_dtype(x.dtype))
