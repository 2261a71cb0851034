"""Layers that look back: what came before."""

from lamina.temporal._lag_dense import LagDense
from lamina.temporal._three_point_dependency import ThreePointDependency

__all__ = ["LagDense", "ThreePointDependency"]
