"""Residual-quantized codes to the sum of their rows."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from keras import ops

from lamina._common import Array, Shape, integer, is_concrete, received, register, to_numpy
from lamina._common._table import add_table, check_loaded, table_config
from lamina.codec._codes import (
    StatelessCodeLayer,
    check_compiled_policy,
    check_in_range,
    check_integer,
    check_policy,
    skipped,
    to_index,
)
from lamina.codec._exact_search import exact_search
from lamina.codec._stages import sum_of_stages


@register
class ResidualDecoder(StatelessCodeLayer):
    """The sum of one codebook row a stage, each row projected first where projections are given.

        y[...] = sum_q codebooks[q][codes[..., q]] @ kernel_q + bias_q

    A code of -1 leaves its stage out: it adds exactly 0, its bias included. Codes of fewer stages
    than there are codebooks use the first ones. Stages are added in their order, so the sum is the
    same to the bit wherever it is taken.

    The codebooks are weights that never train; see `CodebookDecoder` for what is stored where.

    Args:
        codebooks: One array `(entries, d)` a stage, of any sizes; or one array
            `(stages, entries, d)`.
        projections: One `(d, D)` array, or pair of such a kernel and a bias `(D,)`, a stage.
        codebook_axis: The axis of the codes along which the stages lie: -1, or 1 for codes
            `(batch, stages, time)` as neural audio codecs write them.
        out_of_range: As in `CodebookDecoder`.

    Input shape:
        `(..., stages)`: integers of any dtype; the stages lie along `codebook_axis`.

    Output shape:
        `(..., D)`

    Masking:
        A masked position is ignored and gives zeros. The mask passes on.

    Streaming:
        Each position by itself, for `codebook_axis=-1`.

    Raises:
        ValueError: for codebooks of different widths, more stages than codebooks, float codes, a
            code out of range in eager code.

    Example:
        >>> ResidualDecoder([[[0.0], [8.0]], [[-1.0], [1.0]]])(np.array([[1, 0], [1, 1], [0, -1]]))
        [[7.0], [9.0], [0.0]]

    Reference:
        Juang and Gray, Multiple Stage Vector Quantization, ICASSP 1982.
    """

    def __init__(
        self,
        codebooks: Any,
        projections: Any = None,
        codebook_axis: int = -1,
        out_of_range: str = "raise",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.out_of_range = check_policy(out_of_range, self)
        self.codebook_axis = integer("codebook_axis", codebook_axis, "an axis of the codes")
        if len(codebooks) == 0:
            raise ValueError(
                f"`codebooks` must hold at least one codebook. {received('codebooks', codebooks)}"
            )
        self.codebooks = [add_table(self, f"codebook_{q}", c) for q, c in enumerate(codebooks)]
        self.projections = self._add_projections(projections)
        self.units = self._width()
        self.built = True

    def call(self, inputs: Array, mask: Array | None = None) -> Array:
        flat, dtype, skip = self.rows(inputs, mask)
        stages = flat.shape[-1]
        tables, sizes = self.tables(stages), self.sizes[:stages]
        values = sum_of_stages(flat, tables, sizes, dtype, self.out_of_range, skip)
        lead = ops.shape(ops.moveaxis(inputs, self.codebook_axis, -1))[:-1]
        return ops.reshape(values, (*lead, self.units))

    def rows(self, inputs: Array, mask: Array | None = None) -> tuple[Array, str, int | None]:
        """Checked codes `(n, stages)`, the dtype they came in, and the code that is left out."""
        dtype = check_integer(inputs.dtype, self)
        codes = ops.moveaxis(inputs, self.codebook_axis, -1)
        stages = self._stages(codes.shape[-1])
        if is_concrete(inputs):
            self._check_values(codes, stages, mask)
        else:
            check_compiled_policy(self.out_of_range, self)
        index = to_index(codes, max(c.shape[0] for c in self.codebooks))
        if mask is not None:
            index = ops.where(ops.cast(mask, "bool")[..., None], index, -1)
        left_out = mask is not None or not dtype.startswith("u")
        return ops.reshape(index, (-1, stages)), dtype, -1 if left_out else None

    def tables(self, stages: int | None = None) -> list[Any]:
        """The tables of the first `stages` stages in the layer's dtype, with their projections."""
        tables = [ops.cast(c, self.compute_dtype) for c in self.codebooks[:stages]]
        if self.projections is None:
            return tables
        cast = [
            tuple(None if w is None else ops.cast(w, self.compute_dtype) for w in projection)
            for projection in self.projections[:stages]
        ]
        return [(table, *projection) for table, projection in zip(tables, cast, strict=True)]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Entries of each stage's table."""
        return tuple(c.shape[0] for c in self.codebooks)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shape = list(input_shape)
        self._stages(shape.pop(self.codebook_axis))
        return (*shape, self.units)

    def encode(self, values: Array) -> np.ndarray:
        """Codes of the nearest entry stage by stage (NumPy): `(..., D) -> (..., stages)`, int32."""
        rest = np.array(values, "float64")
        codes = []
        for table in self._effective_tables():
            codes.append(exact_search(rest, table))
            rest -= table[codes[-1]]
        return np.moveaxis(np.stack(codes, -1), -1, self.codebook_axis)

    def get_config(self) -> dict[str, Any]:
        projections = self.projections and [
            [None if w is None else table_config(w) for w in pair] for pair in self.projections
        ]
        return {
            **super().get_config(),
            "codebooks": [table_config(c) for c in self.codebooks],
            "projections": projections,
            "codebook_axis": self.codebook_axis,
            "out_of_range": self.out_of_range,
        }

    def _add_projections(self, projections: Any) -> list[tuple[Any, Any]] | None:
        """Pairs of weights (kernel, bias or None), or None."""
        if projections is None:
            return None
        if len(projections) != len(self.codebooks):
            raise ValueError(
                f"`projections` must have one entry for each of the {len(self.codebooks)} "
                f"codebooks. {received('entries', len(projections))}"
            )
        pairs = [p if _is_pair(p) else (p, None) for p in projections]
        return [
            (
                add_table(self, f"kernel_{q}", kernel),
                None if bias is None else add_table(self, f"bias_{q}", bias),
            )
            for q, (kernel, bias) in enumerate(pairs)
        ]

    def _width(self) -> int:
        """The one width that all stages have."""
        shapes = [tuple(c.shape) for c in self.codebooks]
        if any(len(shape) != 2 for shape in shapes):
            raise ValueError(
                f"`codebooks` must be arrays (entries, d). {received('shapes', shapes)}"
            )
        widths = {shape[1] for shape in shapes}
        if self.projections is not None:
            kernels = [tuple(kernel.shape) for kernel, _ in self.projections]
            if any(k[0] != s[1] for k, s in zip(kernels, shapes, strict=True)):
                raise ValueError(
                    "`projections` must be (d, D) with the d of their codebooks. "
                    f"{received('kernels', kernels, codebooks=shapes)}"
                )
            widths = {kernel[1] for kernel in kernels}
        if len(widths) != 1:
            raise ValueError(
                "Every stage must have the same width; give `projections` to codebooks of several "
                f"widths. {received('shapes', shapes)}"
            )
        return widths.pop()

    def _stages(self, stages: int | None) -> int:
        if stages is None or not 1 <= stages <= len(self.codebooks):
            raise ValueError(
                f"`inputs` must have 1 to {len(self.codebooks)} stages along axis "
                f"{self.codebook_axis} (`codebook_axis`). {received('stages', stages)}"
            )
        return stages

    def _check_values(self, codes: Array, stages: int, mask: Array | None) -> None:
        for weight in self.weights:
            check_loaded(self, weight)
        if self.out_of_range == "raise":
            skip = skipped(codes, -1, mask)
            for q in range(stages):
                check_in_range(codes[..., q], self.codebooks[q].shape[0], skip[..., q])

    def _effective_tables(self) -> Iterator[np.ndarray]:
        """Every stage's table as it is added, projected, in NumPy."""
        for q, codebook in enumerate(self.codebooks):
            table = to_numpy(codebook.value).astype("float64")
            if self.projections is not None:
                kernel, bias = self.projections[q]
                table = table @ to_numpy(kernel.value).astype("float64")
                table = table if bias is None else table + to_numpy(bias.value)
            yield table


def _is_pair(projection: Any) -> bool:
    """A kernel and its bias, not a kernel of two rows."""
    if not isinstance(projection, tuple | list) or len(projection) != 2:
        return False
    return isinstance(projection[0], dict) or np.ndim(projection[0]) == 2
