"""Codes of fixed random directions: targets for self-supervised learning."""

from typing import Any

import keras
from keras import ops

from lamina._common import Array, Shape, positive_integer, register, to_numpy
from lamina._common._fast import jit_compiled, product
from lamina.codec import CodebookDecoder, ProductDecoder
from lamina.quantize._nearest import nearest, unit
from lamina.quantize._quantizer import Quantizer

# Added to the variance, as in PyTorch's `LayerNorm`.
EPSILON = 1e-5


@register
class RandomProjectionQuantizer(Quantizer):
    """The code of the nearest direction, after a random projection; nothing is trained.

        code = argmax_k  c_k . (A x')        |c_k| = 1        x' = (x - mean(x)) / std(x)

    What comes out are codes alone: BEST-RQ's targets for a model that sees masked speech.

    Args:
        codes: Directions, at least 1.
        codebook_dim: Features after the projection.
        groups: So many projections and tables, and as many codes a vector.
        normalize: Give each vector mean 0 and variance 1 first, over its features. Without, codes
            collapse where features have different sizes.
        seed: Of the projection, drawn by Glorot's normal, and of the directions.
        data_format: "channels_last", or "channels_first" for inputs `(batch, features, ...)`.

    Input shape:
        `(batch, ..., features)`

    Output shape:
        int32 `(batch, ...)`, or `(batch, ..., groups)` with more than one.

    Masking:
        A masked vector has code -1. The mask passes on.

    Streaming:
        Each vector by itself; not with "channels_first".

    Raises:
        ValueError: for options outside their range; for a mask that fits no axes.

    Example:
        >>> layer = RandomProjectionQuantizer(8, codebook_dim=2, seed=0)
        >>> layer(np.ones((3, 5, 4))).shape
        (3, 5)

    Reference:
        Chiu et al., Self-supervised Learning with Random-projection Quantizer for Speech
        Recognition (2022), section 3.1.
    """

    def __init__(
        self,
        codes: int,
        codebook_dim: int,
        groups: int = 1,
        normalize: bool = True,
        seed: int | None = None,
        data_format: str = "channels_last",
        **kwargs: Any,
    ) -> None:
        super().__init__(return_codes=False, data_format=data_format, **kwargs)
        self.codes = positive_integer("codes", codes, "the number of directions")
        self.codebook_dim = positive_integer("codebook_dim", codebook_dim, "features of a row")
        self.groups = positive_integer("groups", groups, "projections")
        self.normalize = bool(normalize)
        self.seed = seed
        self.random = keras.random.SeedGenerator(seed)

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        features = self._last(tuple(input_shape))[-1]
        glorot = keras.initializers.GlorotNormal(self.random)
        self.projection = self.add_weight(
            name="projection",
            shape=(self.groups, features, self.codebook_dim),
            initializer=lambda shape, dtype: ops.stack(
                [glorot(shape[1:], dtype) for _ in range(shape[0])]
            ),
            trainable=False,
            autocast=False,
        )
        self.directions = self.add_weight(
            name="directions",
            shape=(self.groups, self.codes, self.codebook_dim),
            initializer=lambda shape, dtype: unit(
                keras.random.normal(shape, dtype=dtype, seed=self.random)
            ),
            trainable=False,
            autocast=False,
        )

    def call(self, inputs: Array, mask: Array | None = None, training: bool = False) -> Array:
        return self.encode(inputs, mask)

    def decoder(self, **kwargs: Any) -> keras.layers.Layer:
        """A `CodebookDecoder` of the directions, with several groups a `ProductDecoder`."""
        kwargs = {"dtype": self.dtype_policy, **kwargs}
        tables = list(to_numpy(self.directions))
        if self.groups > 1:
            return self._placed(ProductDecoder(tables, **kwargs))
        return self._placed(CodebookDecoder(tables[0], **{"pad_value": -1, **kwargs}))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self._code_shape(self._last(tuple(input_shape)))

    def compute_output_spec(
        self, inputs: Array, mask: Array | None = None, training: bool = False
    ) -> Any:
        return keras.KerasTensor(self.compute_output_shape(tuple(inputs.shape)), dtype="int32")

    def _codes(self, inputs: Array, mask: Array | None) -> Array:
        shape = ops.shape(inputs)
        flat = ops.reshape(ops.cast(inputs, self.variable_dtype), (-1, inputs.shape[-1]))
        keep = None if mask is None else ops.reshape(mask, (-1,))
        projections = self.projection.value, self.directions.value
        codes = _directions(flat, keep, *projections, self.normalize)
        return ops.reshape(codes, self._code_shape(shape))

    def _code_shape(self, input_shape: Any) -> Any:
        return input_shape[:-1] if self.groups == 1 else (*input_shape[:-1], self.groups)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["gradient"], config["return_codes"]
        names = ("codes", "codebook_dim", "groups", "normalize", "seed")
        return {**config, **{name: getattr(self, name) for name in names}}


@jit_compiled
def _directions(
    vectors: Array, keep: Array | None, projections: Array, directions: Array, normalize: bool
) -> Array:
    """Codes `(n, groups)`."""
    known = ops.isfinite(ops.sum(vectors, axis=-1))
    known = known if keep is None else ops.logical_and(known, keep)
    if normalize:
        vectors = vectors - ops.mean(vectors, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(vectors), axis=-1, keepdims=True)
        vectors = vectors * ops.rsqrt(variance + EPSILON)
    codes = [
        nearest(product(vectors, projections[g]), directions[g], "cosine")
        for g in range(projections.shape[0])
    ]
    return ops.where(known[:, None], ops.stack(codes, axis=-1), -1)
