"""Product-quantized codes to vectors."""

from typing import Any

import numpy as np
from keras import ops

from lamina._common import (
    Array,
    Shape,
    is_concrete,
    positive_integer,
    received,
    register,
    to_numpy,
)
from lamina._common._fast import product
from lamina._common._table import add_table, check_loaded, table_config
from lamina.codec._bit_unpack import BitUnpack
from lamina.codec._codes import (
    StatelessCodeLayer,
    check_compiled_policy,
    check_in_range,
    check_integer,
    check_policy,
    to_index,
)
from lamina.codec._exact_search import exact_search
from lamina.codec._stages import SKIP, stages_side_by_side


@register
class ProductDecoder(StatelessCodeLayer):
    """Rows of several codebooks side by side, then rotated where a rotation is given.

        y[...] = concatenate_m(codebooks[m, codes[..., m]]) @ rotation

    The codebooks are weights that never train; see `CodebookDecoder` for what is stored where.

    Args:
        codebooks: Array `(M, entries, d)`.
        packed_bits: Bits a code, when the codes come as faiss writes them: packed without gaps,
            least significant bit first, each vector starting at a byte.
        rotation: Array `(M * d, D)`; for OPQ the inverse of the rotation before encoding.
        out_of_range: As in `CodebookDecoder`.

    Input shape:
        `(..., M)`: integers of any dtype; with `packed_bits` `(..., ceil(M * packed_bits / 8))`,
        uint8.

    Output shape:
        `(..., M * d)`; with a rotation `(..., D)`.

    Masking:
        A masked position is ignored and gives zeros. The mask passes on.

    Streaming:
        Each position by itself.

    Raises:
        ValueError: for codebooks that are not `(M, entries, d)`, float codes, a code out of range
            in eager code.

    Example:
        >>> ProductDecoder([[[1.0], [2.0]], [[3.0], [4.0]]])(np.array([[0, 1], [1, 0]]))
        [[1.0, 4.0], [2.0, 3.0]]

    Reference:
        Jégou et al., Product Quantization for Nearest Neighbor Search, TPAMI 33 (2011); Ge et al.,
        Optimized Product Quantization, TPAMI 36 (2014).
    """

    def __init__(
        self,
        codebooks: Array,
        packed_bits: int | None = None,
        rotation: Array | None = None,
        out_of_range: str = "raise",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.out_of_range = check_policy(out_of_range, self)
        self.codebooks = add_table(self, "codebooks", codebooks)
        if len(self.codebooks.shape) != 3:
            raise ValueError(
                "`codebooks` must be an array (M, entries, d). "
                f"{received('shape', tuple(self.codebooks.shape))}"
            )
        self.count, self.entries, self.item = self.codebooks.shape
        self.rotation = None if rotation is None else add_table(self, "rotation", rotation)
        self.units = self.count * self.item
        if self.rotation is not None:
            if len(self.rotation.shape) != 2 or self.rotation.shape[0] != self.units:
                raise ValueError(
                    f"`rotation` must be an array ({self.units}, D). "
                    f"{received('shape', tuple(self.rotation.shape))}"
                )
            self.units = self.rotation.shape[1]
        self.packed_bits = self._unpack = None
        if packed_bits is not None:
            self.packed_bits = positive_integer("packed_bits", packed_bits, "the bits of a code")
            self._unpack = BitUnpack(self.packed_bits, self.count)
        self.built = True

    def call(self, inputs: Array, mask: Array | None = None) -> Array:
        flat, dtype, skip = self.rows(inputs, mask)
        values = stages_side_by_side(
            flat, self.tables(), self.sizes, dtype, self.out_of_range, skip
        )
        if self.rotation is not None:
            values = product(values, ops.cast(self.rotation, self.compute_dtype))
        return ops.reshape(values, (*ops.shape(inputs)[:-1], self.units))

    def rows(self, inputs: Array, mask: Array | None = None) -> tuple[Array, str, int | None]:
        """Checked codes `(n, M)`, the dtype they came in, and the code that is ignored."""
        self.check_inputs(inputs)
        if is_concrete(inputs):
            check_loaded(self, self.codebooks)
        else:
            check_compiled_policy(self.out_of_range, self)
        codes = inputs if self._unpack is None else self._unpack.call(inputs)
        dtype = check_integer(codes.dtype, self)
        if is_concrete(inputs) and self.out_of_range == "raise":
            unseen = None if mask is None else ~to_numpy(mask)[..., None]
            check_in_range(codes, self.entries, unseen)
        index = to_index(codes, self.entries)
        if mask is not None:
            index = ops.where(ops.cast(mask, "bool")[..., None], index, SKIP)
        elif self._unpack is None and dtype in ("uint8", "uint16"):
            index = codes
        flat = ops.reshape(index, (-1, self.count))
        return flat, dtype, None if mask is None else SKIP

    def tables(self) -> list[Array]:
        """The rows of all codebooks in the layer's dtype, as one table."""
        flat = ops.reshape(self.codebooks, (self.count * self.entries, self.item))
        return [ops.cast(flat, self.compute_dtype)]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Entries of each stage's table."""
        return (self.entries,) * self.count

    def check_inputs(self, inputs: Array) -> None:
        if self._unpack is not None:
            self._unpack.check_inputs(inputs)
            return
        check_integer(inputs.dtype, self)
        self._check_shape(inputs.shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if self._unpack is None:
            self._check_shape(input_shape)
        return (*input_shape[:-1], self.units)

    def encode(self, values: Array) -> np.ndarray:
        """Codes of the nearest entries (NumPy): `(..., D) -> (..., M)`, packed where they are read
        packed. Values are multiplied by the transpose of the rotation first.
        """
        values = np.asarray(values, "float64")
        if self.rotation is not None:
            values = values @ to_numpy(self.rotation.value).astype("float64").T
        parts = np.split(values, self.count, axis=-1)
        tables = to_numpy(self.codebooks.value)
        codes = np.stack([exact_search(p, t) for p, t in zip(parts, tables, strict=True)], axis=-1)
        return codes if self._unpack is None else self._unpack.encode(codes)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "codebooks": table_config(self.codebooks),
            "packed_bits": self.packed_bits,
            "rotation": None if self.rotation is None else table_config(self.rotation),
            "out_of_range": self.out_of_range,
        }

    def _check_shape(self, shape: Shape) -> None:
        if not shape or shape[-1] not in (None, self.count):
            raise ValueError(
                f"`inputs` must be (..., {self.count}): a code for each codebook. "
                f"{received('shape', tuple(shape))}"
            )
