"""Each vector to a sum of rows, one of each of several trained tables."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from lamina._common import Array, number, positive_integer, received, register, to_numpy
from lamina.codec import ResidualDecoder
from lamina.quantize._trained import TrainedQuantizer


@register
class ResidualVectorQuantizer(TrainedQuantizer):
    """Replaces each vector by a sum of table rows, each table on what the ones before left over.

        r_1 = x        code_i = argmin_k |r_i - c_ik|^2        r_{i+1} = r_i - c_i,code_i
        y = sum_i c_i,code_i        dy/dx = 1 (straight-through)

    The loss is the sum over the stages of that of `VectorQuantizer`, each on its own r_i.

    Args:
        codes: Rows of each table, in the order of the stages: `[256] * 8`; they may differ.
        stage_dropout: Share of the batch's rows that pass only the first n stages in training, n
            drawn from 1 to all for each row. So a prefix of the codes is a usable code too, at a
            lower rate. The stages left out give code -1 and learn nothing from that row.
        metric, update, decay, commitment, start, revive_below, return_codes, seed: As in
            `VectorQuantizer`; an array as `start` starts each table on what the tables before it
            left of the vectors.

    Input shape:
        `(batch, ..., features)`

    Output shape:
        As the input; with `return_codes` also int32 codes `(batch, ..., stages)`.

    Masking:
        As in `VectorQuantizer`.

    Streaming:
        Each vector by itself, at inference.

    Raises:
        ValueError: as in `VectorQuantizer`.

    Example:
        >>> layer = ResidualVectorQuantizer([2, 4], start=np.array([[0.0], [1.0], [8.0], [9.0]]))
        >>> x = np.array([[9.0], [0.0]])
        >>> layer(x)
        [[9.0], [0.0]]
        >>> layer.encode(x).shape
        (2, 2)

    Reference:
        Zeghidour et al., SoundStream (2021), section III.C; the dropout by rows of Kumar et al.,
        DAC (2023). One straight-through step around the sum, as in audiocraft: one a stage gives
        the inputs a multiple of the gradient.
    """

    def __init__(
        self,
        codes: Sequence[int],
        stage_dropout: float = 0.0,
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
        if not isinstance(codes, list | tuple) or not codes:
            raise ValueError(
                "`codes` must be the list of the tables' sizes, such as [256] * 8. "
                f"{received('codes', codes)}"
            )
        sizes = [positive_integer("codes", n, "a list of numbers of rows") for n in codes]
        super().__init__(
            sizes,
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
        self.codes = sizes
        self.stage_dropout = number("stage_dropout", stage_dropout, "a share", 0, 1)
        self.dropping = keras.random.SeedGenerator(self.seed)

    @property
    def codebooks(self) -> list[Array]:
        """The tables as they are now, `(codes, features)` each."""
        return [table.rows() for table in self.tables]

    def decoder(self, **kwargs: Any) -> ResidualDecoder:
        """A `ResidualDecoder` with copies of the tables: codes -> the values of this layer."""
        kwargs = {"dtype": self.dtype_policy, **kwargs}
        return ResidualDecoder([to_numpy(rows) for rows in self.codebooks], **kwargs)

    def _stages(self, inputs: Array) -> Array | None:
        if not self.stage_dropout:
            return None
        shape = ops.shape(inputs)
        draw = keras.random.uniform((2, shape[0]), seed=self.dropping)
        count = len(self.tables)
        some = ops.cast(ops.floor(draw[0] * count), "int32") + 1
        passed = ops.where(draw[1] < self.stage_dropout, ops.minimum(some, count), count)
        passed = ops.reshape(passed, (-1, *[1] * (len(inputs.shape) - 2)))
        return ops.reshape(ops.broadcast_to(passed, shape[:-1]), (-1,))

    def _code_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], len(self.codes))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "codes": list(self.codes),
            "stage_dropout": self.stage_dropout,
        }
