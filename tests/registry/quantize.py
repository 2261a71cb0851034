"""Rows of the quantize family."""

from tests.registry._row import Row

ROWS: list[Row] = []
