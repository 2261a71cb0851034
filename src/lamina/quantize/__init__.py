"""Layers that encode: values in, codes out, trained."""

from lamina.quantize._finite_scalar_quantizer import FiniteScalarQuantizer
from lamina.quantize._lookup_free_quantizer import LookupFreeQuantizer
from lamina.quantize._metrics import CodebookPerplexity, CodebookUsage
from lamina.quantize._monitor import CodebookMonitor
from lamina.quantize._random_projection_quantizer import RandomProjectionQuantizer
from lamina.quantize._residual_finite_scalar_quantizer import ResidualFiniteScalarQuantizer
from lamina.quantize._residual_vector_quantizer import ResidualVectorQuantizer
from lamina.quantize._sim_vector_quantizer import SimVectorQuantizer
from lamina.quantize._vector_quantizer import VectorQuantizer

__all__ = [
    "CodebookMonitor",
    "CodebookPerplexity",
    "CodebookUsage",
    "FiniteScalarQuantizer",
    "LookupFreeQuantizer",
    "RandomProjectionQuantizer",
    "ResidualFiniteScalarQuantizer",
    "ResidualVectorQuantizer",
    "SimVectorQuantizer",
    "VectorQuantizer",
]
