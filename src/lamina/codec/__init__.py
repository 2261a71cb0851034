"""Layers that decode: codes or bytes in, values out, inside the graph."""
