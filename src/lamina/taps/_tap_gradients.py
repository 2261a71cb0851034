"""The gradient of a score with respect to values inside a model."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from lamina._common import Array, Tree, gradient
from lamina.taps._build import symbolic
from lamina.taps._capture import capture
from lamina.taps._inputs import inputs_for
from lamina.taps._paths import check_model
from lamina.taps._state import isolated
from lamina.taps._tap import as_taps


def tap_gradients(
    model: keras.layers.Layer,
    taps: Any,
    inputs: Tree,
    score: Callable[[Tree], Array],
    training: bool = False,
) -> tuple[dict[str, Tree], dict[str, Tree]]:
    """The values at the taps, and the gradient of a score with respect to them.

        g[key] = d sum(score(model(inputs))) / d value[key]

    One forward and one backward pass. For Grad-CAM and other attributions. What layers update in
    the pass is dropped (see `isolated`).

    Args:
        model: Any built Keras layer or model.
        taps: A path, a `Tap`, a list of them, or `{alias: path or Tap}`. Each value must be one
            floating-point tensor; the calls must be numbered or `"all"`.
        inputs: What the model takes.
        score: A function of the model's output; its result is summed.
        training: Passed to the model.

    Returns:
        `(values, gradients)`: two dicts with the keys of the taps, equal in shapes and dtypes.

    Raises:
        ValueError: as `capture`; if a value is not floating-point.

    Example:
        >>> model = keras.Sequential([keras.layers.Rescaling(2.0, name="a"), keras.layers.ReLU()])
        >>> x = np.array([[-1.0, 3.0]])
        >>> values, gradients = tap_gradients(model, "a", x, score=lambda y: y**2)
        >>> values["a"]
        [[-2., 6.]]
        >>> gradients["a"]
        [[0., 12.]]

    Reference:
        Selvaraju et al., Grad-CAM, arXiv:1610.02391, equation 1.
    """
    check_model(model)
    taps = as_taps(taps)
    inputs = keras.tree.map_structure(ops.convert_to_tensor, inputs)

    def run(inputs: Tree, modify: Any = None) -> tuple[Tree, dict[str, Tree]]:
        with capture(model, taps, modify) as seen, inputs_for(model, inputs):
            output = model(inputs, training=training)
        return output, dict(seen)

    def total(offsets: dict[str, Tree]) -> tuple[Array, dict[str, Tree]]:
        # 0 is added to each value: the gradient with respect to the 0 is that of the value.
        modify = {key: _adder(offset) for key, offset in offsets.items()}
        with isolated():
            output, seen = run(inputs, modify)
            return ops.sum(score(output)), seen

    shapes = symbolic(lambda x: run(x)[1], keras.tree.map_structure(_spec, inputs))
    zeros = keras.tree.map_structure(lambda x: ops.zeros(x.shape, x.dtype), shapes)
    gradients, values = gradient(total, zeros)
    return values, gradients


def _adder(offset: Tree) -> Callable[[Tree], Tree]:
    """A function that adds the next offset at each call, or the only one."""
    rest = iter(offset if isinstance(offset, list) else [offset])
    return lambda value: keras.tree.map_structure(ops.add, value, next(rest))


def _spec(x: Array) -> keras.KerasTensor:
    return keras.KerasTensor(x.shape, keras.backend.standardize_dtype(x.dtype))
