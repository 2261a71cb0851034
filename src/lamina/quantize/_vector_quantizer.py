"""Each vector to the nearest row of a trained table."""

from typing import Any

from lamina._common import Array, positive_integer, register, to_numpy
from lamina.codec import CodebookDecoder
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

    Input shape:
        `(batch, ..., features)`

    Output shape:
        As the input; with `return_codes` also int32 codes `(batch, ...)`.

    Masking:
        A masked vector counts nowhere; its output is 0, its code -1. The mask passes on. A vector
        with NaN or infinity counts nowhere either; its output is NaN, its code -1.

    Streaming:
        Each vector by itself, at inference.

    Raises:
        ValueError: for options outside their range; for a `start` with fewer vectors than codes;
            for a symbolic tensor in `encode`; for a layer rebuilt from the config of one started
            from data, before its weights are loaded.

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
    """

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
        **kwargs: Any,
    ) -> None:
        size = positive_integer("codes", codes, "the number of rows")
        super().__init__(
            [size],
            metric=metric,
            update=update,
            decay=decay,
            commitment=commitment,
            start=start,
            revive_below=revive_below,
            return_codes=return_codes,
            seed=seed,
            **kwargs,
        )
        self.codes = size

    @property
    def codebook(self) -> Array:
        """The table as it is now, `(codes, features)`."""
        return self.tables[0].rows()

    def decoder(self, **kwargs: Any) -> CodebookDecoder:
        """A `CodebookDecoder` with a copy of the table: codes -> the values of this layer."""
        kwargs = {"dtype": self.dtype_policy, "pad_value": -1, **kwargs}
        return CodebookDecoder(to_numpy(self.codebook), **kwargs)

    def _code_shape(self, input_shape: Any) -> Any:
        return input_shape[:-1]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "codes": self.codes}
