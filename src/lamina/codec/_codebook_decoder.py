"""Codes to the rows of a fixed table."""

from typing import Any

import numpy as np
from keras import ops

from lamina._common import Array, Shape, is_concrete, register, to_numpy
from lamina._common._table import add_table, check_loaded, table_config
from lamina.codec._codes import (
    StatelessCodeLayer,
    check_compiled_policy,
    check_in_range,
    check_integer,
    check_pad_value,
    check_policy,
    mask_without_padding,
    skipped,
    to_index,
)
from lamina.codec._exact_search import exact_search
from lamina.codec._stages import SKIP
from lamina.codec._table import rows


@register
class CodebookDecoder(StatelessCodeLayer):
    """Each code becomes its row of a fixed codebook.

        y[...] = codebook.astype(compute_dtype)[codes[...]]

    The codebook is a weight that never trains, also when `trainable = True` is set, and is stored
    once, with the model's weights. The config holds its shape and dtype only: a layer rebuilt from
    its config alone raises in eager code and gives NaN in compiled code until its weights arrive
    (an integer layer has no NaN: it gives the smallest integer).

    `CustomDecoder` is another name for it.

    Args:
        codebook: Array `(entries, *D)` of at least one entry, without NaN; or
            `{"shape": (entries, *D)}` for one whose values come with the weights.
        out_of_range: What a code outside `0 .. entries - 1` gives. `"raise"`: a ValueError in eager
            code, NaN in compiled code, which cannot raise. `"nan"`, `"zero"`: that value.
            `"clip"`: the nearest entry. An integer layer (`dtype="int32"`) has no NaN: it takes
            `"clip"` or `"zero"` in compiled code.
        pad_value: Code for padding: it gives zeros, and is masked, whatever `out_of_range` is.

    Input shape:
        `(...)`: integers of any dtype, any rank, any length, 0 included.

    Output shape:
        `(..., *D)`

    Masking:
        A masked code is ignored and gives zeros. The mask passes on, without the padding.

    Streaming:
        Each code by itself.

    Raises:
        ValueError: for float codes; for a codebook of rank 0, empty or with NaN; for a code out of
            range, in eager code.

    Example:
        >>> CodebookDecoder([[0.0, 0.5], [2.0, 3.0]])(np.array([[1, 0, 1]]))
        [[[2.0, 3.0], [0.0, 0.5], [2.0, 3.0]]]

    Reference:
        Gray, Vector Quantization, IEEE ASSP Magazine 1 (1984).
    """

    def __init__(
        self,
        codebook: Array,
        out_of_range: str = "raise",
        pad_value: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.out_of_range = check_policy(out_of_range, self)
        self.pad_value = check_pad_value(pad_value)
        self.codebook = add_table(self, "codebook", codebook)
        self.built = True

    def call(self, inputs: Array, mask: Array | None = None) -> Array:
        index, dtype, skip = self._index(inputs, mask)
        table = ops.cast(self.codebook, self.compute_dtype)
        return rows(table, index, dtype, self.out_of_range, skip)

    def rows(self, inputs: Array, mask: Array | None = None) -> tuple[Array, str, int | None]:
        """Checked codes `(n, 1)`, the dtype they came in, and the code that is ignored."""
        index, dtype, skip = self._index(inputs, mask)
        if skip is not None:
            index = ops.where(skip, SKIP, index)
        return ops.reshape(index, (-1, 1)), dtype, None if skip is None else SKIP

    def tables(self) -> list[Array]:
        """The codebook in the layer's dtype, as the one table of one stage."""
        return [ops.cast(self.codebook, self.compute_dtype)]

    def compute_mask(self, inputs: Array, previous_mask: Array | None = None) -> Array | None:
        return mask_without_padding(inputs, self.pad_value, previous_mask)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Entries of each stage's table."""
        return (self.codebook.shape[0],)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, *self.codebook.shape[1:])

    def encode(self, values: Array) -> np.ndarray:
        """The code of the nearest entry (NumPy): `(..., *D) -> (...)`, int32."""
        check_loaded(self, self.codebook)
        return exact_search(np.asarray(values), to_numpy(self.codebook.value))

    def _index(self, inputs: Array, mask: Array | None) -> tuple[Array, str, Array | None]:
        """Checked codes, the dtype they came in, and where they are ignored."""
        dtype = check_integer(inputs.dtype, self)
        size = self.codebook.shape[0]
        skip = skipped(inputs, self.pad_value, mask)
        if is_concrete(inputs):
            check_loaded(self, self.codebook)
            if self.out_of_range == "raise":
                check_in_range(inputs, size, skip)
        else:
            check_compiled_policy(self.out_of_range, self)
        return to_index(inputs, size), dtype, skip

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "codebook": table_config(self.codebook),
            "out_of_range": self.out_of_range,
            "pad_value": self.pad_value,
        }
