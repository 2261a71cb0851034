"""One row a public layer: the contract suite, the oracle, export and golden tests, the docs' tables
and the benchmarks read it. A public layer without a row fails `test_registry.py`.
"""

from tests.registry._row import Row, case

from tests.registry import codec, imaging, quantize, taps, temporal  # isort: skip

ROWS: list[Row] = [*temporal.ROWS, *codec.ROWS, *quantize.ROWS, *imaging.ROWS, *taps.ROWS]

__all__ = ["ROWS", "Row", "case"]
