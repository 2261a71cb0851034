"""What every quantizer shares: masks, codes beside the values, symbolic shapes."""

from typing import Any

import keras
from keras import ops

from lamina._common import Array, Shape, Stateless, Tree, choice, received
from lamina.quantize._gradients import GRADIENTS

FORMATS = ("channels_last", "channels_first")


class Quantizer(Stateless):
    """Values in, the nearest of finitely many values out; private base.

    A subclass gives `_values_and_codes`, `_codes` and `_code_shape`, all with the features last.
    """

    def __init__(
        self,
        return_codes: bool,
        gradient: str = "straight_through",
        data_format: str = "channels_last",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.return_codes = bool(return_codes)
        self.gradient = choice("gradient", gradient, GRADIENTS)
        self.data_format = choice("data_format", data_format, FORMATS)
        self.supports_masking = True

    @property
    def _first(self) -> bool:
        return self.data_format == "channels_first"

    @property
    def receptive_field(self) -> int | float:
        if self._first:
            raise ValueError(
                "A stream takes its steps from axis 1 of (batch, time, features), and "
                f"`data_format='channels_first'` of {self.name} has the features there. Stream a "
                "model with `data_format='channels_last'`."
            )
        return 1

    def build(self, input_shape: Shape) -> None:
        axis = 1 if self._first else -1
        if len(input_shape) < 2 or input_shape[axis] is None:
            wanted = "(batch, features, ...)" if self._first else "(batch, ..., features)"
            raise ValueError(
                f"{type(self).__name__} needs inputs of the shape {wanted} with a "
                f"known number of features. {received('input_shape', tuple(input_shape))}"
            )
        self.rank = len(input_shape)
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={axis: input_shape[axis]})
        self.built = True

    def call(self, inputs: Array, mask: Array | None = None, training: bool = False) -> Tree:
        if self._first:
            inputs = ops.moveaxis(inputs, 1, -1)
        mask = aligned_mask(mask, inputs)
        inputs = _without_masked(inputs, mask)
        values, codes = self._values_and_codes(inputs, mask, bool(training) and self.trainable)
        if mask is not None:
            values = ops.where(mask[..., None], values, 0)
        if self._first:
            values = ops.moveaxis(values, -1, 1)
        return (values, codes) if self.return_codes else values

    def encode(self, inputs: Array, mask: Array | None = None) -> Array:
        """int32 codes of `inputs`, -1 at masked and at non-finite places. Changes nothing."""
        return self._codes(*self._encoded(inputs, mask))

    def _encoded(self, inputs: Array, mask: Array | None) -> tuple[Array, Array | None]:
        """What `encode` looks at: arrays with the features last, and their mask."""
        if isinstance(inputs, keras.KerasTensor):
            raise ValueError(
                f"`{type(self).__name__}.encode` takes arrays, not the symbolic tensors of a "
                "Functional model. Build the layer with `return_codes=True` and take its second "
                f"output. {received('inputs', inputs)}"
            )
        inputs = ops.convert_to_tensor(inputs, self.compute_dtype)
        if not self.built:
            self.build(tuple(inputs.shape))
        if self._first:
            inputs = ops.moveaxis(inputs, 1, -1)
        mask = aligned_mask(mask, inputs)
        return _without_masked(inputs, mask), mask

    def compute_output_shape(self, input_shape: Shape) -> Tree:
        values = tuple(input_shape)
        return (values, self._code_shape(self._last(values))) if self.return_codes else values

    def compute_output_spec(
        self, inputs: Array, mask: Array | None = None, training: bool = False
    ) -> Tree:
        values = keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)
        if not self.return_codes:
            return values
        codes = self._code_shape(self._last(tuple(inputs.shape)))
        return values, keras.KerasTensor(codes, dtype="int32")

    def compute_mask(self, inputs: Array, previous_mask: Array | None = None) -> Tree:
        return (previous_mask, previous_mask) if self.return_codes else previous_mask

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "return_codes": self.return_codes,
            "gradient": self.gradient,
            "data_format": self.data_format,
        }

    def _last(self, shape: Any) -> Any:
        """`shape` with the features last."""
        return (shape[0], *shape[2:], shape[1]) if self._first else shape

    def _placed(self, decoder: keras.layers.Layer) -> keras.layers.Layer:
        """`decoder`, whose features come last, with them where this layer has them."""
        if not self._first or self.rank == 2:
            return decoder
        codes = self._code_shape((None,) * self.rank)
        axes = (self.rank - 1, *range(1, self.rank - 1))
        permute = keras.layers.Permute(axes)
        permute.supports_masking = True  # A mask of the first axes; the values are 0 already.
        return keras.Sequential([keras.Input(codes[1:], dtype="int32"), decoder, permute])

    def _values_and_codes(
        self, inputs: Array, mask: Array | None, training: bool
    ) -> tuple[Array, Array]:
        raise NotImplementedError

    def _codes(self, inputs: Array, mask: Array | None) -> Array:
        raise NotImplementedError

    def _code_shape(self, input_shape: Any) -> Any:
        raise NotImplementedError


def aligned_mask(mask: Array | None, inputs: Array) -> Array | None:
    """`mask` for each vector of `inputs`: its axes are the first ones, of their length or 1.

    A mask `(batch, time)` holds for all of `(batch, time, codebooks, features)`; without this, the
    axes would be paired from the last one.
    """
    if mask is None:
        return None
    mask = ops.convert_to_tensor(mask, "bool")
    vectors = tuple(inputs.shape)[:-1]
    given = tuple(mask.shape)
    pairs = zip(given, vectors, strict=False)
    if len(given) > len(vectors) or any(_differ(m, v) for m, v in pairs):
        raise ValueError(
            "`mask` must have the first axes of the inputs without their features, each of the "
            f"same length or 1. {received('mask.shape', given, vectors=vectors)}"
        )
    if len(given) == len(vectors) and given == vectors:
        return mask
    shape: Array = ops.shape(mask)
    wide = ops.reshape(mask, (*shape, *[1] * (len(vectors) - len(given))))
    return ops.broadcast_to(wide, ops.shape(inputs)[:-1])


def _differ(mask: int | None, vectors: int | None) -> bool:
    return None not in (mask, vectors) and mask not in (1, vectors)


def _without_masked(inputs: Array, mask: Array | None) -> Array:
    return inputs if mask is None else ops.where(mask[..., None], inputs, 0)
