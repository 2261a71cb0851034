"""Layers that look inside: what happens in the middle of a network."""
