"""Layers with one real defect each, of kinds seen in public code, beyond those of the shared cases.

`BUGS` maps a name to (class, constructor arguments, inputs, traits, contracts: one must break).
"""

import importlib

import keras

from tests.contracts.bugs._table import BUGS, Plain, rnd

GROUPS = ["config", "state", "shape", "modes", "numerics", "sequences", "measures", "wild"]
if keras.backend.backend() == "tensorflow":
    GROUPS.append("tensorflow_only")
for _group in GROUPS:
    importlib.import_module(f"tests.contracts.bugs.{_group}")

__all__ = ["BUGS", "Plain", "rnd"]
