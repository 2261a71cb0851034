"""Each vector to a sum of rows, one of each of several trained tables."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from lamina._common import (
    Array,
    ReplicaRows,
    choice,
    from_first_replica,
    integer,
    number,
    positive_integer,
    received,
    register,
)
from lamina.codec import ResidualDecoder
from lamina.quantize._beam import beam_search
from lamina.quantize._learning import USED, kinds_of
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
        min_stages: The fewest stages that the dropout leaves.
        shared: One table for all stages and groups.
        codebook_dim: As in `VectorQuantizer`, with projections of its own in each stage, as in DAC.
        groups: As in `VectorQuantizer`; the codes of a stage stand side by side, so that the first
            `n * groups` codes are those of n stages.
        metric, update, decay, commitment, start, revive_below, return_codes, seed, gradient,
            temperature, orthogonality, entropy, gradient_accumulation_steps, data_format: As in
            `VectorQuantizer`; an array as `start` starts each table on what the tables before it
            left of the vectors.

    Input shape:
        `(batch, ..., features)`

    Output shape:
        As the input; with `return_codes` also int32 codes `(batch, ..., stages * groups)`.

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
        the inputs a multiple of the gradient. With `codebook_dim` each stage has its own, as in
        DAC. Groups: Yang et al., HiFi-Codec (2023). Beam search: Babenko and Lempitsky, Additive
        Quantization (2014), 3.2.
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
        min_stages: int = 1,
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
        if not isinstance(codes, list | tuple) or not codes:
            raise ValueError(
                "`codes` must be the list of the tables' sizes, such as [256] * 8. "
                f"{received('codes', codes)}"
            )
        sizes = [positive_integer("codes", n, "a list of numbers of rows") for n in codes]
        super().__init__(
            sizes,
            metric=metric,
            update=choice("update", update, ("ema", "gradient")),
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
        self.codes = sizes
        self.stage_dropout = number("stage_dropout", stage_dropout, "a share", 0, 1)
        self.min_stages = integer("min_stages", min_stages, "a number of stages", 1, len(sizes))
        self.dropping = keras.random.SeedGenerator(self.seed)

    @property
    def codebooks(self) -> list[Array]:
        """The tables as they are now, `(codes, features)` each."""
        return [table.rows() for table in self.tables]

    def decoder(self, **kwargs: Any) -> keras.layers.Layer:
        """A `ResidualDecoder` with copies of the tables: codes -> the values of this layer."""
        kwargs = {"dtype": self.dtype_policy, **kwargs}
        tables = self._effective()
        width = tables[0].shape[1]
        if self.groups > 1:  # Each table between zeros: it adds to its own group alone.
            groups = range(self.groups)
            sides = [(width * g, width * (self.groups - 1 - g)) for g in groups] * self.stages
            pairs = zip(tables, sides, strict=True)
            tables = [np.pad(rows, ((0, 0), side)) for rows, side in pairs]
        return self._placed(ResidualDecoder(tables, **kwargs))

    def encode(self, inputs: Array, mask: Array | None = None, beam: int = 1) -> Array:
        """int32 codes of `inputs`, -1 at masked and at non-finite places. Changes nothing.

        With a `beam`, the so many best partial sums are carried through the stages in place of the
        nearest one: less error in as many times the time, at the same rate.
        """
        beam = positive_integer("beam", beam, "partial sums to carry")
        inputs, mask = self._encoded(inputs, mask)
        if beam == 1:
            return self._codes(inputs, mask)
        return self._beam_codes(inputs, mask, beam)

    def _beam_codes(self, inputs: Array, mask: Array | None, beam: int) -> Array:
        if self.projections or self.metric == "cosine":
            raise ValueError(
                "`beam` above 1 compares Euclidean distances of the inputs themselves: not with "
                f"`codebook_dim` or `metric='cosine'`. {received('beam', beam)}"
            )
        self._check_tables()
        shape = ops.shape(inputs)
        vectors = ops.reshape(ops.cast(inputs, self._table_dtype), (-1, inputs.shape[-1]))
        kinds = kinds_of(vectors, None if mask is None else ops.reshape(mask, (-1,)))
        usable = (kinds == USED)[:, None]
        vectors = ops.where(usable, vectors, 0)
        tables = self._table_at_each_place()
        parts: Any = ops.split(vectors, self.groups, axis=-1) if self.groups > 1 else [vectors]
        codes = [beam_search(x, tables[g :: self.groups], beam) for g, x in enumerate(parts)]
        codes = ops.reshape(ops.stack(codes, axis=-1), (-1, self.stages * self.groups))
        return ops.reshape(ops.where(usable, codes, -1), self._code_shape(shape))

    def _stages(self, shape: Any) -> Array | None:
        if not self.stage_dropout:
            return None
        rows, count = ReplicaRows(shape[0]), self.stages
        draw = keras.random.uniform((2, rows.total), seed=self.dropping)
        if rows.several:
            draw = ops.transpose(rows.own(ops.transpose(from_first_replica(draw))))
        choices = count - self.min_stages + 1
        some = ops.cast(ops.floor(draw[0] * choices), "int32") + self.min_stages
        passed = ops.where(draw[1] < self.stage_dropout, ops.minimum(some, count), count)
        passed = ops.reshape(passed, (-1, *[1] * (len(shape) - 2)))
        return ops.reshape(ops.broadcast_to(passed, shape[:-1]), (-1,))

    def _code_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], len(self.codes) * self.groups)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "codes": list(self.codes),
            "stage_dropout": self.stage_dropout,
            "min_stages": self.min_stages,
        }
