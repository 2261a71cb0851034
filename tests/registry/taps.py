"""Rows of the taps family."""

from tests.registry._row import Row

ROWS: list[Row] = []
