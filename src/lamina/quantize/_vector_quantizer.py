"""Each vector to the nearest row of a trained table."""

from typing import Any

import keras

from lamina._common import Array, choice, positive_integer, register
from lamina.codec import CodebookDecoder, ProductDecoder
from lamina.quantize._trained import TrainedQuantizer


@register
class VectorQuantizer(TrainedQuantizer):
    """Replaces each vector by the nearest row of a table that is trained with the model.

        code = argmin_k |x - c_k|^2        y = c_code        dy/dx = 1 (straight-through)

    The output is the row itself, to the bit, in training too; `encode` and `return_codes` give the
    codes, `decoder()` the layer that turns codes back into the same values. The layer adds its
    loss to the model's: `commitment * mean |x - c|^2`, which pulls the inputs to the rows, and
    under `update="gradient"` the same without the factor, which pulls the rows to the inputs.

    Args:
        codes: Rows of the table, at least 1.
        metric: "euclidean", or "cosine": the row of the closest direction; rows keep their length,
            so that the output is still near the input. Normalise the input for unit rows.
        update: How rows are trained. "ema": each is the running mean of its vectors, without an
            optimiser; "gradient": by the optimiser.
        decay: Of the running means, in [0, 1]; 0.99 looks back on some hundred batches.
        commitment: Weight of the commitment loss, at least 0; 0.25 is van den Oord's.
        start: Where the rows start. "kmeans": k-means on the first training batches, until 16
            vectors a code were seen; "uniform": random in [-1/codes, 1/codes]; an array
            `(vectors, features)`: its k-means at construction, or, with as many vectors as codes,
            the vectors themselves.
        revive_below: A row is dead when its running count of vectors is below this share of the
            mean count, and then moves to a vector of the batch, drawn in proportion to the squared
            error. 0: never.
        return_codes: Give `(values, codes)`, also in a Functional model.
        seed: Of the start and the revivals.
        codebook_dim: Search in so many features, fewer than the input has: codes and losses are
            those of z = x W_in + b_in, the output is c W_out + b_out. With `metric="cosine"` the
            look-up of ViT-VQGAN and DAC. An array as `start` then holds vectors of this space.
        groups: Cut the features into so many equal parts, each with a table and codes of its own:
            product quantization. Codes get a last axis of `groups`.
        shared: One table for all groups: heads.
        gradient: What the inputs get. "straight_through": dy/dx = 1; "rotation": of the rotation
            and scaling that takes x to its row.
        temperature: In training codes are drawn with probability
            softmax_k(-|x - c_k|^2 / temperature), of directions under "cosine". 0: the nearest.
        orthogonality: Weight of |L L^T - I|^2 / codes^2 of the rows at length 1, under
            `update="gradient"`.
        entropy: Weight of -H(mean softmax(-100 |x - c_k|)) in training: codes used alike.
        gradient_accumulation_steps: As that of the optimiser: the running means move at each n-th
            training step, by all that was seen since. A k-means start takes each step by itself.
        data_format: "channels_last", or "channels_first" for inputs `(batch, features, ...)`.

    Input shape:
        `(batch, ..., features)`

    Output shape:
        As the input; with `return_codes` also int32 codes `(batch, ...)`, or `(batch, ..., groups)`
        with more than one group.

    Masking:
        A masked vector counts nowhere; its output is 0, its code -1. The mask passes on. It has the
        first axes of the vectors, each of the same length or 1. A vector with NaN or infinity has
        NaN as its output and code -1; in training, nothing is learnt from its batch.

    Streaming:
        Each vector by itself, at inference; not with "channels_first".

    Raises:
        ValueError: for options outside their range; for a `start` with fewer distinct vectors than
            codes; for a mask that fits no axes; for a symbolic tensor in `encode`; for a layer
            rebuilt from the config of one started from data, before its weights are loaded.

    Example:
        >>> layer = VectorQuantizer(2, start=[[0.0, 0.0], [1.0, 1.0]])
        >>> layer(np.array([[0.9, 0.8], [0.1, -0.3]]))
        [[1.0, 1.0], [0.0, 0.0]]
        >>> layer.encode(np.array([[0.9, 0.8], [0.1, -0.3]]))
        [1, 0]

    Reference:
        van den Oord et al., Neural Discrete Representation Learning (2017), equation 3 and
        appendix A.1; revival after Dhariwal et al., Jukebox (2020). The cosine look-up is that of
        Kumar et al., DAC (2023). Running counts start at 0, so that the first batches weigh fully.
        Projections: Yu et al., Vector-quantized Image Modeling with Improved VQGAN (2022), 3.2.
        Rotation: Fifty et al. (2024), 4.2. Drawn codes: Williams et al., Hierarchical Quantized
        Autoencoders (2020), equation 3. Orthogonality: Shin et al. (2021), equation 2. Entropy:
        the second term of Yu et al., MAGVIT-v2 (2023), equation 5.
    """

    _updates: tuple[str, ...] = ("ema", "gradient")

    def __init__(
        self,
        codes: int,
        metric: str = "euclidean",
        update: str = "ema",
        decay: float = 0.99,
        commitment: float = 0.25,
        start: Any = "kmeans",
        revive_below: float = 0.03,
        return_codes: bool = False,
        seed: int | None = None,
        codebook_dim: int | None = None,
        groups: int = 1,
        shared: bool = False,
        gradient: str = "straight_through",
        temperature: float = 0.0,
        orthogonality: float = 0.0,
        entropy: float = 0.0,
        gradient_accumulation_steps: int = 1,
        data_format: str = "channels_last",
        **kwargs: Any,
    ) -> None:
        size = positive_integer("codes", codes, "the number of rows")
        super().__init__(
            [size],
            metric=metric,
            update=choice("update", update, self._updates),
            decay=decay,
            commitment=commitment,
            start=start,
            revive_below=revive_below,
            return_codes=return_codes,
            seed=seed,
            codebook_dim=codebook_dim,
            groups=groups,
            shared=shared,
            gradient=gradient,
            temperature=temperature,
            orthogonality=orthogonality,
            entropy=entropy,
            gradient_accumulation_steps=gradient_accumulation_steps,
            data_format=data_format,
            **kwargs,
        )
        self.codes = size

    @property
    def codebook(self) -> Array:
        """The table as it is now, `(codes, features)`; the first group's where there are several.

        With `codebook_dim`, of so many features.
        """
        return self.tables[0].rows()

    def decoder(self, **kwargs: Any) -> keras.layers.Layer:
        """A `CodebookDecoder` with a copy of the table: codes -> the values of this layer.

        With several groups a `ProductDecoder`; with "channels_first" followed by a `Permute`.
        """
        kwargs = {"dtype": self.dtype_policy, **kwargs}
        tables = self._effective()
        if self.groups > 1:
            return self._placed(ProductDecoder(tables, **kwargs))
        return self._placed(CodebookDecoder(tables[0], **{"pad_value": -1, **kwargs}))

    def _code_shape(self, input_shape: Any) -> Any:
        return input_shape[:-1] if self.groups == 1 else (*input_shape[:-1], self.groups)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "codes": self.codes}
