"""Layers that decode: codes or bytes in, values out, inside the graph."""

from lamina.codec._codebook_decoder import CodebookDecoder
from lamina.codec._packed_sample_decoder import PackedSampleDecoder

CustomDecoder = CodebookDecoder

__all__ = ["CodebookDecoder", "CustomDecoder", "PackedSampleDecoder"]
