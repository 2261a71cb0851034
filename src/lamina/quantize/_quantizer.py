"""What every quantizer shares: masks, codes beside the values, symbolic shapes."""

from typing import Any

import keras
from keras import ops

from lamina._common import Array, Shape, Stateless, Tree, received


class Quantizer(Stateless):
    """Values in, the nearest of finitely many values out; private base.

    A subclass gives `_values_and_codes`, `_codes` and `_code_shape`.
    """

    def __init__(self, return_codes: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.return_codes = bool(return_codes)
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        if len(input_shape) < 2 or input_shape[-1] is None:
            raise ValueError(
                f"{type(self).__name__} needs inputs of the shape (batch, ..., features) with a "
                f"known number of features. {received('input_shape', tuple(input_shape))}"
            )
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: input_shape[-1]})
        self.built = True

    def call(self, inputs: Array, mask: Array | None = None, training: bool = False) -> Tree:
        inputs = _without_masked(inputs, mask)
        values, codes = self._values_and_codes(inputs, mask, bool(training) and self.trainable)
        if mask is not None:
            values = ops.where(mask[..., None], values, 0)
        return (values, codes) if self.return_codes else values

    def encode(self, inputs: Array, mask: Array | None = None) -> Array:
        """int32 codes of `inputs`, -1 at masked and at non-finite places. Changes nothing."""
        if isinstance(inputs, keras.KerasTensor):
            raise ValueError(
                f"`{type(self).__name__}.encode` takes arrays, not the symbolic tensors of a "
                "Functional model. Build the layer with `return_codes=True` and take its second "
                f"output. {received('inputs', inputs)}"
            )
        inputs = ops.convert_to_tensor(inputs, self.compute_dtype)
        if not self.built:
            self.build(tuple(inputs.shape))
        mask = None if mask is None else ops.convert_to_tensor(mask, "bool")
        return self._codes(_without_masked(inputs, mask), mask)

    def compute_output_shape(self, input_shape: Shape) -> Tree:
        values = tuple(input_shape)
        return (values, self._code_shape(values)) if self.return_codes else values

    def compute_output_spec(
        self, inputs: Array, mask: Array | None = None, training: bool = False
    ) -> Tree:
        values = keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)
        if not self.return_codes:
            return values
        return values, keras.KerasTensor(self._code_shape(tuple(inputs.shape)), dtype="int32")

    def compute_mask(self, inputs: Array, previous_mask: Array | None = None) -> Tree:
        return (previous_mask, previous_mask) if self.return_codes else previous_mask

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "return_codes": self.return_codes}

    def _values_and_codes(
        self, inputs: Array, mask: Array | None, training: bool
    ) -> tuple[Array, Array]:
        raise NotImplementedError

    def _codes(self, inputs: Array, mask: Array | None) -> Array:
        raise NotImplementedError

    def _code_shape(self, input_shape: Any) -> Any:
        raise NotImplementedError


def straight_through(values: Array, inputs: Array) -> Array:
    """Exactly `values`, to the bit, with the gradient of `inputs`.

    x - x is +0 for every finite number, and taking +0 away changes nothing, not even a -0; the
    usual x + (q - x) rounds. Where the input is not finite, the result is NaN.
    """
    return ops.stop_gradient(values) - (ops.stop_gradient(inputs) - inputs)


def _without_masked(inputs: Array, mask: Array | None) -> Array:
    return inputs if mask is None else ops.where(mask[..., None], inputs, 0)
