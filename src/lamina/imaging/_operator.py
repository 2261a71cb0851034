"""What layers that measure share: they are linear in the image, and have an exact adjoint."""

from collections.abc import Iterable
from typing import Any

import keras

from lamina._common import Array, received, register


class MeasurementOperator(keras.layers.Layer):
    """Base of a layer that is linear in its first input, with its adjoint as a layer.

        <A x, y> = <x, A^H y>    for every x and y

    A subclass gives `call`, `apply_adjoint` and `adjoint_shape`. What either takes beside the image
    or the measurement (coil maps, masks, coordinates) comes after it in a list.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Another `call` or adjoint makes an inherited shortcut for both together wrong.
        if {"call", "apply_adjoint"} & set(vars(cls)) and "apply_normal" not in vars(cls):
            cls.apply_normal = MeasurementOperator.apply_normal

    @property
    def adjoint(self) -> "Adjoint":
        """The adjoint as a layer that shares this layer's tables; there once this one is built."""
        if not self.built:
            raise ValueError(
                f"`adjoint` of {type(self).__name__} {self.name!r} is there once the layer is "
                "built: call it, or `build` it, first."
            )
        # Past Keras' attribute tracking: the adjoint holds this layer, which must not hold it back.
        if "_adjoint_layer" not in self.__dict__:
            self.__dict__["_adjoint_layer"] = Adjoint(
                self, name=f"{self.name}_adjoint", dtype=self.dtype_policy
            )
        return self.__dict__["_adjoint_layer"]

    def __dir__(self) -> Iterable[str]:
        # Keras saves and loads what `dir` lists, and loading does not end on a circle.
        return [name for name in super().__dir__() if "adjoint" not in name]

    def apply_adjoint(self, inputs: Any) -> Array:
        """The adjoint of `call` on measurements."""
        raise NotImplementedError(f"{type(self).__name__} must give `apply_adjoint`")

    def apply_normal(self, inputs: Any) -> Array:
        """A^H A x, for what `call` takes; a subclass may give a faster way."""
        several = isinstance(inputs, list | tuple)
        measured = self.call(inputs)
        return self.apply_adjoint([measured, *inputs[1:]] if several else measured)

    def adjoint_shape(self, input_shape: Any) -> Any:
        """The shape of an image from that of what `apply_adjoint` takes."""
        raise NotImplementedError(f"{type(self).__name__} must give `adjoint_shape`")


@register
class Adjoint(keras.layers.Layer):
    """The adjoint of a layer that measures: back from measurements to an image.

        <A x, y> = <x, A^H y>

    It is made by `layer.adjoint`, and shares the layer's tables.

    Args:
        operator: A built layer that measures.

    Input shape:
        What `operator` gives; where it takes a list, a list of that and the further inputs.

    Output shape:
        That of the operator's image.

    Raises:
        ValueError: if `operator` is not a layer that measures, or was never built.

    Example:
        >>> layer = lamina.Fourier2D()
        >>> k = layer(np.ones((1, 2, 2, 2)))
        >>> layer.adjoint(k)[0, :, :, 0]
        [[1.0, 1.0], [1.0, 1.0]]
    """

    def __init__(self, operator: MeasurementOperator, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(operator, dict):
            operator = keras.saving.deserialize_keras_object(operator)
        if not isinstance(operator, MeasurementOperator) or not operator.built:
            raise ValueError(
                "`operator` must be a built layer that measures, such as `Fourier2D`. "
                f"{received('operator', operator)}"
            )
        self.operator = operator
        self.autocast = operator.autocast  # coordinates are not rounded to half precision

    @property
    def adjoint(self) -> MeasurementOperator:
        """The layer whose adjoint this is."""
        return self.operator

    def __dir__(self) -> Iterable[str]:
        return [name for name in super().__dir__() if name != "adjoint"]

    def build(self, input_shape: Any) -> None:
        self.built = True

    def call(self, inputs: Any) -> Array:
        return self.operator.apply_adjoint(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.operator.adjoint_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        # With the shape that it was built for: an adjoint's own input does not tell it.
        serialized = keras.saving.serialize_keras_object(self.operator)
        return {**super().get_config(), "operator": serialized}
