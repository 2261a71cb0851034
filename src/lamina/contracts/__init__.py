"""Is this layer right? Contracts that any Keras layer can be held to.

Knows layers through Keras and the documented protocols only; imports no family.
"""

from lamina.contracts._check import check
from lamina.contracts._contract import CONTRACTS, Contract
from lamina.contracts._report import Cause, Report, Result
from lamina.contracts._traits import Traits
from lamina.contracts.harness._target import CheckError

__all__ = ["CONTRACTS", "Cause", "CheckError", "Contract", "Report", "Result", "Traits", "check"]
