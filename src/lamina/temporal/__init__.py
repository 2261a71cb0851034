"""Layers that look back: what came before."""

from lamina.temporal._biquad import Biquad
from lamina.temporal._delay import Delay
from lamina.temporal._fir_filter import FIRFilter
from lamina.temporal._lag_dense import LagDense
from lamina.temporal._three_point_dependency import ThreePointDependency

__all__ = ["Biquad", "Delay", "FIRFilter", "LagDense", "ThreePointDependency"]
