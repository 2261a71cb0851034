"""Rows of the codec family."""

from tests.registry._row import Row

ROWS: list[Row] = []
