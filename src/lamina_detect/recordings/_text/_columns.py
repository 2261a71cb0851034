"""Columns of a table of text: numbers where they are, with the mark that the file uses."""

import pathlib
import re
from typing import Any

import numpy as np

from lamina_detect.recordings._arrow import compute
from lamina_detect.recordings._options import ReadOptions
from lamina_detect.recordings._table import Numbers
from lamina_detect.recordings._text._kinds import unit_of
from lamina_detect.recordings._text._numbers import (
    THREE,
    Cells,
    Mark,
    cells_of,
    mark_of,
    marker_counts,
    numbers,
)
from lamina_detect.recordings._text._parse import Parsed

# Cells in which a unit is looked for.
FIRST = 100


def columns_of(
    path: pathlib.Path, parsed: Parsed, options: ReadOptions
) -> tuple[dict[str, Any], list[str]]:
    """`Numbers`, dates or text for each column, and notes about them."""
    import pyarrow as pa

    words, notes = options.missing_words(), []
    text = {
        name: cells_of(_without_unit(name, column, notes), words)
        for name, column in parsed.columns.items()
        if column.type == pa.string()
    }
    marks = {name: mark_of(cells, parsed.layout.separator) for name, cells in text.items()}
    mark = _mark_of_file({**parsed.marks, **marks}, options)
    columns: dict[str, Any] = {}
    for name, column in parsed.columns.items():
        if name not in text:
            columns[name] = _converted(column)
        elif marks[name] is Mark.TEXT:
            columns[name] = column
        else:
            columns[name] = _numbers(path, name, text[name], marks[name], mark, options)
            if counts := marker_counts(text[name]):
                listed = ", ".join(f"{word!r} ({count})" for word, count in counts.items())
                notes.append(f"{name}: no measurement where the cell says {listed}")
    if mark is Mark.COMMA:
        notes.append("a comma stands before the decimals")
    return columns, notes


def _without_unit(name: str, column: Any, notes: list[str]) -> Any:
    """The cells without the unit that stands behind the numbers, if it does in all of them."""
    first = next(
        (cell for cell in column[:FIRST].to_pylist() if cell and unit_of(cell.strip())), ""
    )
    found = unit_of(first.strip())
    if not found:
        return column
    notes.append(f"{name}: the unit {found[1]} stands behind the numbers")
    return compute().replace_substring_regex(column, rf"(\d) ?{re.escape(found[1])} *$", r"\1")


def _mark_of_file(marks: dict[str, Mark], options: ReadOptions) -> Mark | None:
    """The mark before the decimals, where one column at least proves it and none another."""
    if options.decimal:
        return Mark(options.decimal)
    proven = {mark for mark in marks.values() if mark in (Mark.DOT, Mark.COMMA)}
    return proven.pop() if len(proven) == 1 else None


def _numbers(
    path: pathlib.Path, name: str, cells: Cells, own: Mark, file: Mark | None, options: ReadOptions
) -> Numbers:
    mark = own if own in (Mark.DOT, Mark.COMMA) and not options.decimal else file
    # Three decimals throughout prove little beside a column with decimal commas.
    if mark is None and own is Mark.UNCLEAR:
        shown = _first(cells, THREE)
        dot, comma = shown.replace(",", ""), shown.replace(".", "").replace(",", ".")
        if "," not in shown:
            dot, comma = shown, shown.replace(".", "")
        problem = (
            f"{path}: column {name!r} can be read in two ways: {shown!r} is {dot} or {comma}; "
            "state the decimal mark (--decimal . or --decimal ,)"
        )
        return Numbers(np.full(len(cells.text), np.nan), problem)
    values, wrong = numbers(cells, mark or Mark.DOT)
    if not wrong.any():
        return Numbers(values)
    row = int(np.flatnonzero(wrong)[0])
    return Numbers(values, row=row, cell=cells.text[row].as_py())


def _first(cells: Cells, pattern: str) -> str:
    pc = compute()
    return cells.text.filter(pc.match_substring_regex(cells.text, pattern))[0].as_py()


def _converted(column: Any) -> Any:
    import pandas as pd
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        return pd.DatetimeIndex(column.to_pandas())
    return Numbers(column.to_numpy())
