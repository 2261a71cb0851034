"""Layers that decode: codes or bytes in, values out, inside the graph."""

from lamina.codec._bit_unpack import BitUnpack
from lamina.codec._codebook_decoder import CodebookDecoder
from lamina.codec._codebook_dense import CodebookDense
from lamina.codec._companding_decoder import CompandingDecoder
from lamina.codec._delta_decoder import DeltaDecoder
from lamina.codec._fsq_decoder import FSQDecoder
from lamina.codec._importers import from_faiss, from_nanopq, from_vector_quantize_pytorch
from lamina.codec._packed_sample_decoder import PackedSampleDecoder
from lamina.codec._palette_decoder import PaletteDecoder
from lamina.codec._product_decoder import ProductDecoder
from lamina.codec._residual_decoder import ResidualDecoder

CustomDecoder = CodebookDecoder

__all__ = [
    "BitUnpack",
    "CodebookDecoder",
    "CodebookDense",
    "CompandingDecoder",
    "CustomDecoder",
    "DeltaDecoder",
    "FSQDecoder",
    "PackedSampleDecoder",
    "PaletteDecoder",
    "ProductDecoder",
    "ResidualDecoder",
    "from_faiss",
    "from_nanopq",
    "from_vector_quantize_pytorch",
]
