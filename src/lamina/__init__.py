"""lamina: Keras layers that look back, decode and look inside, and the contracts that prove them.

Importing it imports keras and nothing heavier.
"""

from lamina.activations import Snake, Spline
from lamina.codec import (
    BitUnpack,
    CodebookDecoder,
    CodebookDense,
    CompandingDecoder,
    CustomDecoder,
    DeltaDecoder,
    FSQDecoder,
    PackedSampleDecoder,
    PaletteDecoder,
    ProductDecoder,
    ResidualDecoder,
)
from lamina.contracts import CheckError, Report, Traits, check
from lamina.initializers import Derivative, IdentityKernel, LowPass, MovingAverage
from lamina.taps import IntermediateOutput, IntermediateOutputLayer
from lamina.temporal import (
    Biquad,
    Delay,
    FIRFilter,
    GatedLagDense,
    LagDense,
    LeastSquaresFit,
    TemporalBlock,
    ThreePointDependency,
    Volterra,
    fit_least_squares,
)

__version__ = "0.1.0"

__all__ = [
    "Biquad",
    "BitUnpack",
    "CheckError",
    "CodebookDecoder",
    "CodebookDense",
    "CompandingDecoder",
    "CustomDecoder",
    "Delay",
    "DeltaDecoder",
    "Derivative",
    "FIRFilter",
    "FSQDecoder",
    "GatedLagDense",
    "IdentityKernel",
    "IntermediateOutput",
    "IntermediateOutputLayer",
    "LagDense",
    "LeastSquaresFit",
    "LowPass",
    "MovingAverage",
    "PackedSampleDecoder",
    "PaletteDecoder",
    "ProductDecoder",
    "Report",
    "ResidualDecoder",
    "Snake",
    "Spline",
    "TemporalBlock",
    "ThreePointDependency",
    "Traits",
    "Volterra",
    "__version__",
    "check",
    "fit_least_squares",
]
