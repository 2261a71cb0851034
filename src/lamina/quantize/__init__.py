"""Layers that encode: values in, codes out, trained."""
