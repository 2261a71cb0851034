"""Indexed pixels to colours."""

from typing import Any

import numpy as np
from keras import ops

from lamina._common import Array, Shape, integer, is_concrete, received, register, to_numpy
from lamina._common._table import add_table, check_loaded, table_config
from lamina.codec._codes import StatelessCodeLayer, check_integer, to_index
from lamina.codec._exact_search import exact_search
from lamina.codec._table import rows


@register
class PaletteDecoder(StatelessCodeLayer):
    """Each pixel becomes its colour of a palette; pixels beyond its ends take the nearest end.

        y[...] = palette[clip(pixel[...] - first, 0, entries - 1)]

    This is the rule of DICOM for PALETTE COLOR and for lookup tables. The palette is a weight that
    never trains; see `CodebookDecoder` for what is stored where.

    Args:
        palette: Array `(entries, colours)`, or `(entries,)` for one value a pixel.
        first: Pixel value of the first entry; smaller ones take it too.

    Input shape:
        `(...)`: integers of any dtype.

    Output shape:
        `(..., colours)`

    Masking:
        The mask passes on.

    Streaming:
        Each pixel by itself.

    Raises:
        ValueError: for a palette of rank 0, empty or with NaN, float pixels.

    Example:
        >>> PaletteDecoder([[0, 0, 0], [255, 0, 0]], first=10)(np.array([[0, 10, 11, 99]]))
        [[[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [255.0, 0.0, 0.0], [255.0, 0.0, 0.0]]]

    Reference:
        DICOM PS3.3, C.7.6.3.1.5 and C.7.9.
    """

    def __init__(self, palette: Array, first: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.palette = add_table(self, "palette", palette)
        self.first = integer("first", first, "a pixel value")
        self.built = True

    @classmethod
    def from_dicom(cls, dataset: Any, **kwargs: Any) -> "PaletteDecoder":
        """The palette of a pydicom dataset with PALETTE COLOR, as it is stored (8 or 16 bits)."""
        colours = [_dicom_table(dataset, colour) for colour in ("Red", "Green", "Blue")]
        first = dataset.RedPaletteColorLookupTableDescriptor[1]
        # The descriptor is of 16 bits without a sign, also where the pixels have one.
        if dataset.PixelRepresentation == 1 and first >= 1 << 15:
            first -= 1 << 16
        return cls(np.stack(colours, axis=-1), first=first, **kwargs)

    def call(self, inputs: Array, mask: Array | None = None) -> Array:
        dtype = check_integer(inputs.dtype, self)
        if is_concrete(inputs):
            check_loaded(self, self.palette)
        size = self.palette.shape[0]
        table = ops.cast(self.palette, self.compute_dtype)
        index = ops.clip(to_index(inputs, size, self.first), 0, size - 1)
        return rows(table, index, dtype, "clip")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, *self.palette.shape[1:])

    def encode(self, colours: Array) -> np.ndarray:
        """The pixel value of the nearest colour (NumPy): `(..., colours) -> (...)`, int32."""
        return exact_search(np.asarray(colours), to_numpy(self.palette.value)) + self.first

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "palette": table_config(self.palette),
            "first": self.first,
        }


def _dicom_table(dataset: Any, colour: str) -> np.ndarray:
    """One colour's entries, int32. 8-bit entries may lie two in a 16-bit word."""
    name = f"{colour}PaletteColorLookupTable"
    if not hasattr(dataset, f"{name}Data"):
        raise ValueError(
            f"`dataset` must have {name}Data: PALETTE COLOR with plain tables. Segmented tables "
            "are not read; expand them first (`pydicom.pixels.processing.apply_color_lut`)."
        )
    entries, _, bits = getattr(dataset, f"{name}Descriptor")
    entries = entries or 1 << 16  # DICOM stores 2^16, which 16 bits cannot hold, as 0.
    data = getattr(dataset, f"{name}Data")
    wide = (bits == 16 and len(data) != entries) or len(data) == 2 * entries
    table = np.frombuffer(data, "<u2" if wide else "u1")[:entries].astype("int32")
    if len(table) != entries:
        raise ValueError(
            f"{name}Data must hold {entries} entries. {received('entries', len(table))}"
        )
    return table
