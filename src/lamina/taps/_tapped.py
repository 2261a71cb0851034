"""A model that also returns values from inside it."""

import functools
from typing import Any

import keras

from lamina._common import Array, Tree, register
from lamina.taps._build import build_inner, compile_from_config
from lamina.taps._capture import capture
from lamina.taps._inputs import graph_inputs, input_shape, inputs_for
from lamina.taps._paths import check_model
from lamina.taps._tap import Tap, taps_config, taps_from_config


@register
class Tapped(keras.Model):
    """A model whose output is a dict: its own output, and the values at the taps.

        Tapped(model, taps)(x) = {"output": model(x), path or alias: value, ...}

    One forward pass, no change to `model`, which keeps its weights and trains to the same bits as
    without taps. It is a Keras model: losses by key through `compile(loss={...})`, `fit`,
    `predict`, `.keras` files, export, use inside another model.

    Args:
        model: Any Keras layer or model: Functional, Sequential, subclassed, nested.
        taps: A path, a `Tap`, a list of them, or `{alias: path or Tap}`. The attribute `taps` may
            be set at any time: it takes effect at once, in compiled functions too.

    Input shape:
        As `model`.

    Output shape:
        A dict: `"output"` as `model`; at each key what its layer returns (or takes); a list of
        these for `call="all"`.

    Masking:
        The model's own; tapped values keep their masks.

    Raises:
        TypeError: if `model` is not a Keras layer.
        ValueError: for a path that leads nowhere or to several layers, at once if the model is
            built; for a tap that never fires, and in the other cases of `capture`, when called.

    Example:
        >>> model = keras.Sequential([keras.layers.Rescaling(2.0, name="a"), keras.layers.ReLU()])
        >>> out = Tapped(model, ["a"])(np.array([[-1.0, 3.0]]))
        >>> out["output"]
        [[0., 6.]]
        >>> out["a"]
        [[-2., 6.]]

    Reference:
        The same idea for other frameworks: torchvision `create_feature_extractor`, flax
        `capture_intermediates`. Here it follows calls, so control flow in Python is no obstacle.
    """

    def __init__(self, model: keras.layers.Layer, taps: Any = (), **kwargs: Any) -> None:
        check_model(model)
        super().__init__(**kwargs)
        self._flat = False  # the exported formats know no nested outputs
        self.model = model
        self.taps = taps
        if model.built and (shape := input_shape(model)) is not None:
            self.build(shape)

    @property
    def taps(self) -> dict[str, Tap]:
        """`{key: Tap}`."""
        return taps_from_config(self._taps)

    @taps.setter
    def taps(self, taps: Any) -> None:
        self._taps = taps_config(self.model, taps)
        # What is compiled still has the old taps in it; so do the losses, matched by key.
        self.train_function = self.test_function = self.predict_function = None
        if self.compiled:
            self._compile_again()

    def compile(self, *args: Any, **kwargs: Any) -> None:
        super().compile(*args, **kwargs)
        self._compile_again = functools.partial(super().compile, *args, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        compile_from_config(self, config)

    def build(self, input_shape: Tree) -> None:
        build_inner(self.model, input_shape)

    def call(self, inputs: Tree, training: bool | None = None, **kwargs: Any) -> dict[str, Tree]:
        with capture(self.model, self.taps) as seen, inputs_for(self.model, inputs):
            output = self.model(inputs, training=training, **kwargs)
        outputs = {"output": output, **seen}
        return _flattened(outputs) if self._flat else outputs

    def export(
        self,
        filepath: Any,
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> None:
        """As Keras' `export`; parts of a nested output get flat keys such as `output.scores`."""
        if input_signature is None and (inputs := graph_inputs(self.model)) is not None:
            input_signature = [inputs]
        self._flat = True
        try:
            super().export(filepath, format, verbose, input_signature, **kwargs)
        finally:
            self._flat = False

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "model": keras.saving.serialize_keras_object(self.model),
            "taps": dict(self._taps),
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> "Tapped":
        model = keras.saving.deserialize_keras_object(config["model"], custom_objects)
        taps = taps_from_config(config["taps"])
        return cls(**{**config, "model": model, "taps": taps})


def _flattened(tree: Tree) -> dict[str, Array]:
    """`{"a.0.b": tensor}` of a nested structure."""
    flat = {}
    for path, x in keras.tree.flatten_with_path(tree):
        flat[".".join(map(str, path))] = x
    return flat
