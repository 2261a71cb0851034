"""What is promised: every contract, in the order of the report.

Each module holds the contracts of one subject. They share the harness, and nothing else: none
imports another.
"""

from lamina.contracts._contract import Contract
from lamina.contracts.probes import (
    _batch,
    _complex,
    _config,
    _constructor,
    _dtype,
    _forward,
    _gradients,
    _initializers,
    _integers,
    _linear,
    _losses,
    _mask,
    _modes,
    _portable,
    _random,
    _saving,
    _sequence,
    _shape,
    _used,
    _weights,
)
from lamina.contracts.probes._portable import across_backends

__all__ = ["CONTRACTS", "across_backends"]

# In the order of the report; within a module, in the order of the file.
_IN_ORDER = (
    _config,
    _constructor,
    _weights,
    _saving,
    _shape,
    _batch,
    _forward,
    _used,
    _losses,
    _modes,
    _random,
    _gradients,
    _complex,
    _dtype,
    _integers,
    _mask,
    _sequence,
    _linear,
    _portable,
    _initializers,
)


# Every contract by its id.
CONTRACTS: dict[str, Contract] = {
    found.id: found
    for module in _IN_ORDER
    for found in vars(module).values()
    if isinstance(found, Contract)
}
