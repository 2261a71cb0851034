"""Is this layer right? Contracts that any Keras layer can be held to.

`probes` holds what is promised, one contract a function; `harness` how it is checked. Knows layers
through Keras and the documented protocols only; imports no family.

`check` is all that most callers need. `open_case`, `select`, `examine`, `report` and
`across_backends` are its steps, for what runs the contracts one by one, as `lamina check` and the
pytest plugin do.
"""

from lamina.contracts._check import check, examine, open_case, report, select
from lamina.contracts._contract import Contract
from lamina.contracts._report import Cause, Report
from lamina.contracts._result import Result
from lamina.contracts._traits import Traits
from lamina.contracts.harness import Case, CheckError, sandbox
from lamina.contracts.probes import CONTRACTS, across_backends

__all__ = [
    "CONTRACTS",
    "Case",
    "Cause",
    "CheckError",
    "Contract",
    "Report",
    "Result",
    "Traits",
    "across_backends",
    "check",
    "examine",
    "open_case",
    "report",
    "sandbox",
    "select",
]
