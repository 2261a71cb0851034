"""Layers that look back: what came before."""
