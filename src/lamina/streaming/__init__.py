"""A causal model, sample by sample, exactly."""

from lamina._common import Causal, Stateless
from lamina.streaming._stream import Stream

__all__ = ["Causal", "Stateless", "Stream"]
