"""Rows of the temporal family."""

from tests.registry._row import Row

ROWS: list[Row] = []
