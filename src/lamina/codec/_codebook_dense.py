"""A dense layer on quantized vectors that are never decoded."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from lamina._common import Array, Shape, is_exporting, positive_integer, received, register
from lamina._common._fast import jit_compiled, product, xla_compiled
from lamina.codec._codebook_decoder import CodebookDecoder
from lamina.codec._codes import StatelessCodeLayer, shape_of
from lamina.codec._product_decoder import ProductDecoder
from lamina.codec._residual_decoder import ResidualDecoder
from lamina.codec._stages import add_stages, add_stages_at_once, join_stages, projected

# All measured with TensorFlow on a CPU; `benchmarks/codec.py` has the cases.
# Beyond so many units a table of outputs no longer fits the caches: decoding is as fast.
_MOST_UNITS = 512
# With so many vectors for each entry of a codebook, the time to multiply the codebooks is regained.
_VECTORS_PER_ENTRY = 4
# Up to so many, XLA makes vector instructions of one sum over the stages, but not of a chain; with
# more units it is the chain that is faster, up to twenty times.
_FEW_UNITS = 8


@register
class CodebookDense(StatelessCodeLayer):
    """What a dense layer gives for decoded codes, mostly without decoding them.

        y = activation(decode(codes) @ kernel + bias)
          = activation(sum_m table_m[codes[..., m]] + bias),      table_m = codebook_m @ kernel_m

    At inference the codebooks are multiplied instead of the vectors, whenever there are at least
    four times as many vectors as entries in a codebook and at most 512 units; else, in training, in
    exports and on PyTorch the codes are decoded and multiplied. Both give the same up to rounding.

    Args:
        units: Size of the output.
        decoder: A `ProductDecoder`, `ResidualDecoder` or `CodebookDecoder` of vectors.
        activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer,
            bias_regularizer: as in `keras.layers.Dense`.

    Input shape:
        Codes as the decoder takes them.

    Output shape:
        `(..., units)`

    Masking:
        A masked position counts as a vector of zeros. The mask passes on.

    Streaming:
        Each position by itself.

    Raises:
        ValueError: for another decoder, and what the decoder raises.

    Example:
        >>> decoder = ProductDecoder([[[1.0], [2.0]], [[3.0], [4.0]]])
        >>> CodebookDense(1, decoder, kernel_initializer="ones")(np.array([[0, 1], [1, 0]]))
        [[5.0], [5.0]]

    Reference:
        Jégou et al., TPAMI 33 (2011): asymmetric distances; here for any linear map.
    """

    def __init__(
        self,
        units: int,
        decoder: CodebookDecoder | ProductDecoder | ResidualDecoder,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = positive_integer("units", units, "the size of the output")
        kinds = (CodebookDecoder, ProductDecoder, ResidualDecoder)
        if not isinstance(decoder, kinds):
            raise ValueError(
                "`decoder` must be a CodebookDecoder, ProductDecoder or ResidualDecoder. "
                f"{received('decoder', decoder)}"
            )
        if isinstance(decoder, CodebookDecoder) and len(decoder.codebook.shape) != 2:
            raise ValueError(
                "`decoder` must give vectors: a codebook (entries, d). "
                f"{received('shape', tuple(decoder.codebook.shape))}"
            )
        self.decoder = decoder
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)

    def build(self, input_shape: Shape) -> None:
        width = self.decoder.compute_output_shape(input_shape)[-1]
        self.kernel = self.add_weight(
            shape=(width, self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            name="kernel",
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                shape=(self.units,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                name="bias",
            )

    def check_inputs(self, inputs: Array) -> None:
        self.decoder.check_inputs(inputs)

    def call(self, inputs: Array, mask: Array | None = None, training: bool = False) -> Array:
        kernel = ops.cast(self.kernel, self.compute_dtype)
        bias = None if self.bias is None else ops.cast(self.bias, self.compute_dtype)
        if training or self.units > _MOST_UNITS or not _compiles():
            return self._decoded(inputs, mask, kernel, bias)
        codes, dtype, skip = self.decoder.rows(inputs, mask)
        sizes = self.decoder.sizes[: codes.shape[1]]

        def computed_by(core: Callable) -> Array:
            y = core(codes, *self._others(sizes, kernel, bias), dtype, skip)
            y = ops.reshape(y, (*_lead(self.decoder, inputs), self.units))
            return self.activation(y) if _owns_weights(self.activation) else y

        many = ops.shape(codes)[0] >= _VECTORS_PER_ENTRY * max(sizes)
        if isinstance(many, bool):
            return computed_by(_by_tables if many else _by_decoding)
        return ops.cond(many, lambda: computed_by(_by_tables), lambda: computed_by(_by_decoding))

    def _others(self, sizes: tuple[int, ...], kernel: Array, bias: Array | None) -> tuple:
        """What the compiled functions take beside the codes."""
        if getattr(self.decoder, "rotation", None) is not None:
            kernel = product(ops.cast(self.decoder.rotation, self.compute_dtype), kernel)
        count = len(sizes) if isinstance(self.decoder, ProductDecoder) else 1
        tables = self.decoder.tables()
        if isinstance(self.decoder, ResidualDecoder):
            tables = tables[: len(sizes)]
        own = _owns_weights(self.activation)
        inside = keras.activations.linear if own else self.activation
        return tables, sizes, kernel, bias, inside, count, self.decoder.out_of_range

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*self.decoder.compute_output_shape(input_shape)[:-1], self.units)

    def encode(self, values: Array) -> np.ndarray:
        """Codes of the decoder's vectors; see its `encode`."""
        return self.decoder.encode(values)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "decoder": keras.saving.serialize_keras_object(self.decoder),
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "CodebookDense":
        decoder = keras.saving.deserialize_keras_object(config["decoder"])
        return super().from_config({**config, "decoder": decoder})

    def _decoded(
        self, inputs: Array, mask: Array | None, kernel: Array, bias: Array | None
    ) -> Array:
        vectors = ops.cast(self.decoder.call(inputs, mask=mask), self.compute_dtype)
        return _activated(product(vectors, kernel), bias, self.activation)


def _compiles() -> bool:
    """Is there a compiler that makes sums of table rows fast?"""
    return keras.backend.backend() != "torch" and not is_exporting()


def _lead(decoder: keras.layers.Layer, inputs: Array) -> list[Any]:
    """The axes of the codes without that of the stages."""
    shape = list(shape_of(inputs))
    if not isinstance(decoder, CodebookDecoder):
        shape.pop(getattr(decoder, "codebook_axis", -1))
    return shape


def _owns_weights(activation: Any) -> bool:
    """A compiled function would keep the weights of such an activation as they were."""
    return isinstance(activation, keras.layers.Layer)


@xla_compiled
def _by_tables(codes, tables, sizes, kernel, bias, activation, count, policy, dtype, skip):
    """By tables of outputs: every part of a codebook's rows times its own rows of the kernel.

    `count` parts of a vector lie side by side.
    """
    kernels = ops.reshape(kernel, (count, -1, kernel.shape[1]))
    products = []
    for table in tables:
        table = ops.cast(projected(table), kernel.dtype)
        parts = ops.reshape(table, (count, -1, table.shape[1]))
        products.append(ops.reshape(product(parts, kernels), (-1, kernel.shape[1])))
    add = add_stages_at_once if kernel.shape[1] <= _FEW_UNITS else add_stages
    y = add(codes, products, sizes, dtype, policy, skip)
    return _activated(y, bias, activation)


@jit_compiled
def _by_decoding(codes, tables, sizes, kernel, bias, activation, count, policy, dtype, skip):
    """The same by decoding, for few codes: calling a function of XLA costs more than they do."""
    tables = [ops.cast(projected(table), kernel.dtype) for table in tables]
    join = add_stages if count == 1 else join_stages
    vectors = join(codes, tables, sizes, dtype, policy, skip)
    return _activated(product(vectors, kernel), bias, activation)


def _activated(y: Array, bias: Array | None, activation: Callable) -> Array:
    y = y if bias is None else y + bias
    # On JAX, Keras' own tanh (of any activation here) gives float32 for float64.
    return ops.cast(activation(y), y.dtype)
