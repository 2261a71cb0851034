"""Kernels that start as something known: derivative, low-pass, moving average, identity."""

from lamina.initializers._kernels import Derivative, IdentityKernel, LowPass, MovingAverage

__all__ = ["Derivative", "IdentityKernel", "LowPass", "MovingAverage"]
