"""A table as every reader gives it."""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Numbers:
    """A column of numbers.

    Args:
        values: NaN where there is no measurement.
        problem: Why the column cannot be read, as a sentence; None: it can.
        row, cell: The first cell that is no number, if one is not.
    """

    values: np.ndarray
    problem: str | None = None
    row: int | None = None
    cell: str | None = None


@dataclasses.dataclass
class Table:
    """Named columns, and where they come from.

    Args:
        path: For errors.
        columns: Each one `Numbers`, a `pandas.DatetimeIndex`, or text as an Arrow array.
        units: Of the columns that have one.
        named: False where the names were made up.
        line: Where a row is, for people.
        notes: What people should know about how it was read; more are added.
        name: Of the recording.
    """

    path: pathlib.Path
    columns: dict[str, Any]
    units: dict[str, str] = dataclasses.field(default_factory=dict)
    named: bool = True
    line: Callable[[int], str] = "sample {}".format
    notes: list[str] = dataclasses.field(default_factory=list)
    name: str = ""

    @property
    def length(self) -> int:
        return max((size(column) for column in self.columns.values()), default=0)


def size(column: Any) -> int:
    """Rows of a column of any kind."""
    return len(column.values if isinstance(column, Numbers) else column)


def counted(number: int, noun: str) -> str:
    """`1 row is`, `2 rows are`."""
    return f"{number:,} {noun} is" if number == 1 else f"{number:,} {noun}s are"
