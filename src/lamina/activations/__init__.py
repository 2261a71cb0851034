"""Activations with parameters."""

from lamina.activations._snake import Snake
from lamina.activations._spline import Spline

__all__ = ["Snake", "Spline"]
