"""Correct layers that a careless checker would flag, beyond those of the shared cases.

`GOOD` maps a name to (class, constructor arguments, inputs, traits).
"""

from tests.contracts.good import declared, plain, sequences, wild
from tests.contracts.good._table import GOOD

__all__ = ["GOOD", "declared", "plain", "sequences", "wild"]
