"""Taps: what happens inside a network, for losses and for looking."""

from lamina.taps._intermediate_output import IntermediateOutput

# The name of the article.
IntermediateOutputLayer = IntermediateOutput

__all__ = ["IntermediateOutput", "IntermediateOutputLayer"]
