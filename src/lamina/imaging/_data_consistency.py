"""The step of a reconstruction network that keeps the image consistent with the measurement."""

import contextlib
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from lamina._common import Array, Shape, number, positive_integer, received, register
from lamina._common._linear_solve import linear_solve
from lamina.imaging._conjugate_gradients import conjugate_gradients
from lamina.imaging._operator import MeasurementOperator


@register
class DataConsistency(keras.layers.Layer):
    """The image that fits the measurement and stays near an estimate.

        x = argmin_x |A x - y|^2 + weight |x - z|^2
          = (A^H A + weight)^-1 (A^H y + weight z)

    by conjugate gradients, each row of the batch by itself. Gradients are implicit: one more
    solve each, nothing of the iteration is stored, and they are right for z, y, the weight, the
    operator's own trainable weights and what the operator takes beside the image (coil maps).

    Args:
        operator: A layer that measures, with `operator.adjoint`: `CoilSense`, `Fourier2D`, ...
        iterations: Steps of conjugate gradients at most; a row that is solved stops earlier.
        weight: Where the trainable weight starts; at least 0. It is kept at 0 or above in
            training, and may be 0 only where A^H A can be inverted.
        trainable_weight: False: the weight stays as it is.

    Input shape:
        `[z, y, *others]`: the estimate, the measurement, and what the operator takes beside the
        image, in its order.

    Output shape:
        As the estimate.

    Raises:
        ValueError: for an operator without an adjoint, a weight below 0, or fewer than two inputs.

    Example:
        >>> z, y = np.zeros((1, 2, 2, 2)), np.ones((1, 2, 2, 2))
        >>> x = DataConsistency(lamina.Undersample(acceleration=1, centre=0), weight=1.0)([z, y])
        >>> x[0, :, :, 0]
        [[0.5, 0.5], [0.5, 0.5]]

    Reference:
        Aggarwal, Mani and Jacob, MoDL, IEEE Trans. Med. Imaging 38 (2019), equations 8 to 11. The
        oracle is a dense solve.
    """

    def __init__(
        self,
        operator: keras.layers.Layer,
        iterations: int = 10,
        weight: float = 0.05,
        trainable_weight: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(operator, keras.layers.Layer) or not _has_adjoint(operator):
            raise ValueError(
                "`operator` must be a layer with an `adjoint`, such as `CoilSense` or `Radon`: "
                f"without it nothing can be solved. {received('operator', operator)}"
            )
        self.operator = operator
        self.iterations = positive_integer("iterations", iterations, "the most steps of the solver")
        self.weight_start = number("weight", weight, "how much the estimate counts", low=0)
        self.trainable_weight = bool(trainable_weight)

    def build(self, input_shape: Any) -> None:
        shapes = [tuple(shape) for shape in _several(input_shape, self)]
        if not self.operator.built:
            self.operator.build(_with_image(shapes[0], shapes[2:]))
        self.weight = self.add_weight(
            name="weight",
            shape=(),
            # Not Keras' Constant, which rounds to float32 on TensorFlow.
            initializer=lambda shape, dtype: ops.convert_to_tensor(self.weight_start, dtype),
            constraint=keras.constraints.NonNeg(),
            trainable=self.trainable_weight,
        )

    def call(self, inputs: Any) -> Array:
        estimate, measured, *others = _several(inputs, self)
        variables = self.operator.trainable_variables
        floating = [i for i, x in enumerate(others) if keras.backend.is_float_dtype(x.dtype)]
        values = [v.value for v in variables]
        weight = ops.cast(self.weight, self.compute_dtype)
        parameters = [weight, *values, *(others[i] for i in floating)]

        def normal(x: Array, parameters: Sequence[Array]) -> Array:
            weight, values = parameters[0], parameters[1 : 1 + len(variables)]
            beside = list(others)
            for place, value in zip(floating, parameters[1 + len(variables) :], strict=True):
                beside[place] = value
            with _values(variables, values):
                return self._normal(x, beside) + weight * x

        b = self._back(measured, others) + weight * estimate
        return linear_solve(
            normal, b, parameters, lambda apply, b: conjugate_gradients(apply, b, self.iterations)
        )

    def _back(self, measured: Array, others: list[Array]) -> Array:
        return self.operator.adjoint(_with_image(measured, others))

    def _normal(self, image: Array, others: list[Array]) -> Array:
        """A^H A of an image."""
        if not isinstance(self.operator, MeasurementOperator):
            return self._back(self.operator(_with_image(image, others)), others)
        inputs = [image, *others]
        if self.operator.autocast:
            dtype = self.operator.compute_dtype
            is_float = keras.backend.is_float_dtype
            inputs = [ops.cast(x, dtype) if is_float(x.dtype) else x for x in inputs]
        found = self.operator.apply_normal(_with_image(inputs[0], inputs[1:]))
        return ops.cast(found, self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        return tuple(_several(input_shape, self)[0])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "operator": keras.saving.serialize_keras_object(self.operator),
            "iterations": self.iterations,
            "weight": self.weight_start,
            "trainable_weight": self.trainable_weight,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "DataConsistency":
        operator = keras.saving.deserialize_keras_object(config["operator"])
        return cls(**{**config, "operator": operator})


def _has_adjoint(operator: keras.layers.Layer) -> bool:
    """By its class: the adjoint of a layer that is not built yet cannot be had."""
    return hasattr(type(operator), "adjoint") or hasattr(operator, "adjoint")


def _values(variables: Sequence[keras.Variable], values: Sequence[Array]) -> Any:
    """Inside, the variables have these values: a gradient must reach them as arguments do."""
    if not variables:
        return contextlib.nullcontext()
    return keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True)))


def _several(inputs: Any, layer: keras.layers.Layer) -> list[Any]:
    single = isinstance(inputs, tuple) and isinstance(inputs[0], int | None)  # one array's shape
    if single or not isinstance(inputs, list | tuple) or len(inputs) < 2:
        raise ValueError(
            f"`inputs` of {type(layer).__name__} {layer.name!r} must be a list: [estimate, "
            f"measured], and what the operator takes beside the image. {received('inputs', inputs)}"
        )
    return list(inputs)


def _with_image(image: Any, others: list[Any]) -> Any:
    """What the operator takes: the image alone, or a list with the further inputs."""
    return [image, *others] if others else image
