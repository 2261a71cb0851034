"""Kernels that start as something known: derivative, low-pass, moving average, identity."""
