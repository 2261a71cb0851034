"""A layer's output together with its input."""

from typing import Any

import keras
from keras import ops

from lamina._common import Tree, received, register
from lamina.taps._build import build_inner


@register
class IntermediateOutput(keras.layers.Layer):
    """The output of a layer, and the input that it came from.

        y, x = layer(x), x

    For a loss that needs both: `x` is the tensor in the middle of the network, which a model
    otherwise does not return. To reach a layer of an existing model, see `Tapped`.

    Args:
        layer: The Keras layer or model to call. Its weights are kept once, by the layer itself.

    Input shape:
        That of `layer`: any, with batch and time unknown or 0; lists and dicts of tensors too.

    Output shape:
        `(shape of layer's output, input shape)`. The input comes back as it came, its dtype
        included: only `layer` casts to its own dtype policy.

    Masking:
        The masks are `(layer's, the input's)`. A mask given as `mask=` counts as the input's.

    Raises:
        TypeError: if `layer` is not a Keras layer.

    Example:
        >>> double = keras.layers.Rescaling(2.0)
        >>> y, x = IntermediateOutput(double)(np.array([[1.0, 3.0]]))
        >>> y
        [[2., 6.]]
        >>> x
        [[1., 3.]]

    Reference:
        `IntermediateOutputLayer` of the article "Why use custom layers in TensorFlow?" (2025);
        unlike there, masks and dtype survive, and a model with it can be saved.
    """

    def __init__(self, layer: keras.layers.Layer, **kwargs: Any) -> None:
        if not isinstance(layer, keras.layers.Layer):
            raise TypeError(
                "`layer` must be a Keras layer or model; wrap a plain function in "
                f"`keras.layers.Lambda`. {received('layer', layer, type=type(layer).__name__)}"
            )
        # No autocast: the input must come back in its own dtype; `layer` casts for itself.
        super().__init__(autocast=False, **kwargs)
        self.layer = layer
        self.supports_masking = True
        # The bound method, so that Keras does not count it among the sublayers.
        self._carry = _CarryMask(autocast=False, name="carry_mask").__call__

    def build(self, input_shape: Tree) -> None:
        build_inner(self.layer, input_shape)

    def call(
        self, inputs: Tree, mask: Tree = None, training: bool | None = None
    ) -> tuple[Tree, Tree]:
        if any(m is not None for m in keras.tree.flatten(mask)):
            inputs = self._carry(inputs, mask=mask)
        return self.layer(inputs, training=training), inputs

    def compute_mask(self, inputs: Tree, previous_mask: Tree) -> tuple[Tree, Tree]:
        if not self.layer.supports_masking:
            ours = None
        else:
            ours = self.layer.compute_mask(inputs, previous_mask)
        if ours is None:
            outputs = self.layer.compute_output_spec(inputs)
            ours = keras.tree.map_structure(lambda _: None, outputs)
        if previous_mask is None:
            previous_mask = keras.tree.map_structure(lambda _: None, inputs)
        return ours, previous_mask

    def compute_output_shape(self, input_shape: Tree) -> tuple[Tree, Tree]:
        return self.layer.compute_output_shape(input_shape), input_shape

    def compute_output_spec(
        self, inputs: Tree, mask: Tree = None, training: bool | None = None
    ) -> tuple[Tree, Tree]:
        # Not from `compute_output_shape`, which knows nothing of the two dtypes.
        cast = keras.tree.map_structure(self._as_layer_gets, inputs)
        same = keras.tree.map_structure(lambda x: keras.KerasTensor(x.shape, x.dtype), inputs)
        return self.layer.compute_output_spec(cast), same

    def _as_layer_gets(self, x: keras.KerasTensor) -> keras.KerasTensor:
        cast = self.layer.autocast and keras.backend.is_float_dtype(x.dtype)
        return keras.KerasTensor(x.shape, self.layer.input_dtype if cast else x.dtype)

    def get_config(self) -> dict[str, Any]:
        # Twice: while a model is saved, Keras marks as shared a layer that it serializes a second
        # time, but forgets the first time inside a wrapper; a layer also used elsewhere would not
        # load.
        keras.saving.serialize_keras_object(self.layer)
        inner = keras.saving.serialize_keras_object(self.layer)
        return {**super().get_config(), "layer": inner}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> "IntermediateOutput":
        inner = keras.saving.deserialize_keras_object(config["layer"], custom_objects)
        return cls(**{**config, "layer": inner})


class _CarryMask(keras.layers.Layer):
    """A copy of its input that carries the mask given; the caller's tensor keeps its own."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Tree, mask: Tree = None) -> Tree:
        return keras.tree.map_structure(ops.copy, inputs)
