"""Arrow's functions on whole columns."""

from typing import Any


def compute() -> Any:
    """`pyarrow.compute`, whose functions are made at import: no type checker knows them."""
    import pyarrow.compute

    return pyarrow.compute
