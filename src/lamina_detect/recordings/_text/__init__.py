"""Tables of text: bytes to cells, whatever wrote them."""

from lamina_detect.recordings._text._csv import read_csv

__all__ = ["read_csv"]
