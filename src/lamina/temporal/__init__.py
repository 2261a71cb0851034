"""Layers that look back: what came before."""

from lamina.temporal._biquad import Biquad
from lamina.temporal._delay import Delay
from lamina.temporal._fir_filter import FIRFilter
from lamina.temporal._gated_lag_dense import GatedLagDense
from lamina.temporal._lag_dense import LagDense
from lamina.temporal._least_squares import LeastSquaresFit, fit_least_squares
from lamina.temporal._temporal_block import TemporalBlock
from lamina.temporal._three_point_dependency import ThreePointDependency
from lamina.temporal._volterra import Volterra

__all__ = [
    "Biquad",
    "Delay",
    "FIRFilter",
    "GatedLagDense",
    "LagDense",
    "LeastSquaresFit",
    "TemporalBlock",
    "ThreePointDependency",
    "Volterra",
    "fit_least_squares",
]
