"""lamina: Keras layers that look back, decode and look inside, and the contracts that prove them.

Importing it imports keras and nothing heavier.
"""

from lamina.activations import Snake, Spline
from lamina.codec import CodebookDecoder, CustomDecoder, PackedSampleDecoder
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
    "CheckError",
    "CodebookDecoder",
    "CustomDecoder",
    "Delay",
    "Derivative",
    "FIRFilter",
    "GatedLagDense",
    "IdentityKernel",
    "IntermediateOutput",
    "IntermediateOutputLayer",
    "LagDense",
    "LeastSquaresFit",
    "LowPass",
    "MovingAverage",
    "PackedSampleDecoder",
    "Report",
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
