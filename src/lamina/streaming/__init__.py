"""A causal model, sample by sample, exactly."""

from lamina.streaming._stream import Stream

__all__ = ["Stream"]
