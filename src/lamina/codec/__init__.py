"""Layers that decode: codes or bytes in, values out, inside the graph."""

from lamina.codec._codebook_decoder import CodebookDecoder

CustomDecoder = CodebookDecoder

__all__ = ["CodebookDecoder", "CustomDecoder"]
