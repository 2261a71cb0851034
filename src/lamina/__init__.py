"""lamina: Keras layers that look back, decode and look inside, and the contracts that prove them.

Importing it imports keras and nothing heavier.
"""

from lamina.codec import CodebookDecoder, CustomDecoder, PackedSampleDecoder
from lamina.contracts import CheckError, Report, Traits, check
from lamina.taps import IntermediateOutput, IntermediateOutputLayer
from lamina.temporal import LagDense, ThreePointDependency

__version__ = "0.1.0"

__all__ = [
    "CheckError",
    "CodebookDecoder",
    "CustomDecoder",
    "IntermediateOutput",
    "IntermediateOutputLayer",
    "LagDense",
    "PackedSampleDecoder",
    "Report",
    "ThreePointDependency",
    "Traits",
    "__version__",
    "check",
]
