"""How a table of text is laid out: separator, preamble, names, units."""

import dataclasses
import itertools
import pathlib
import re
from collections import Counter
from collections.abc import Sequence

from lamina_detect._common import BadInput
from lamina_detect.recordings._table import mentions_time
from lamina_detect.recordings._text._header import header_above, unique_names
from lamina_detect.recordings._text._kinds import NUMBER, is_data, is_time
from lamina_detect.recordings._text._lines import LINE_END, cells_in, is_comment

# In the order in which they are preferred where several fit: a tab or a semicolon on every line
# separates; a comma may also stand before decimals. A space stands for any run of spaces.
SEPARATORS = ("\t", ";", "|", ",", " ")
# Lines of text that are looked at.
LINES = 2000
# For a single column: a character that no text holds.
NO_SEPARATOR = "\x1f"


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where the samples begin, and what the columns are called.

    Args:
        separator: One character between cells; " " for any run of spaces.
        first: The line, counted from 0, of the first sample.
        names: One for each column; `named` is False where they were made up.
        units: One for each column, "" where there is none.
        comments: What begins a comment line within the samples, if any does.
    """

    separator: str
    first: int
    names: tuple[str, ...]
    named: bool
    units: tuple[str, ...]
    comments: bool


def layout_of(path: pathlib.Path, text: str, decimal: str | None = None) -> Layout:
    """The layout of a table that begins with `text`, whole lines; `decimal` as in `ReadOptions`."""
    lines = LINE_END.split(text)[:LINES]
    stated = re.fullmatch(r'"?sep=(.)"?', lines[0].strip())
    separator = stated[1] if stated else _separator(lines[-len(lines) * 3 // 4 :], decimal)
    layout = _layout(path, lines, separator)
    _refuse_shifted(path, lines, layout)
    if separator == "," and decimal != "." and not stated and _decimals_alone(lines, layout):
        if not layout.named:
            cells = next(line for line in lines[layout.first :] if line.strip())
            raise BadInput(
                f"{path}: line {layout.first + 1} can be read in two ways: {cells!r} is two whole "
                "numbers or one with decimals; state the decimal mark (--decimal . or --decimal ,)"
            )
        return _layout(path, lines, NO_SEPARATOR)
    return layout


def _layout(path: pathlib.Path, lines: Sequence[str], separator: str) -> Layout:
    rows = [cells_in(line, separator) for line in lines]
    width = _width(rows)
    first = _first_sample(rows, width)
    if first is None:
        raise BadInput(f"{path}: no column of numbers: no line of it reads as a row of samples")
    names, units = header_above(lines, rows, first, width, separator)
    return Layout(
        separator=separator,
        first=first,
        names=unique_names(names or [f"column{i}" for i in range(width)]),
        named=names is not None,
        units=tuple([*units, *[""] * width][:width]),
        comments=any(is_comment(line) for line in lines[first:]),
    )


def _refuse_shifted(path: pathlib.Path, lines: Sequence[str], layout: Layout) -> None:
    """A name less than cells: fine above row names, else all names are shifted by one."""
    names = layout.names
    if len(names) < 3 or not names[0].startswith("Unnamed"):
        return
    first = cells_in(lines[layout.first], layout.separator)[0]
    rows = [r for r in (cells_in(line, layout.separator) for line in lines[layout.first :]) if r]
    if any(mentions_time(name) for name in names[1:]) and is_time(first):
        problem = "perhaps the decimals stand after commas too"
    elif NUMBER.fullmatch(first) and not _counts(rows):
        problem = "and the first cells are no row numbers"
    else:
        return
    raise BadInput(
        f"{path}: line {layout.first + 1} has {len(names)} cells for {len(names) - 1} names, "
        f"{problem}; write a name for each column, with another separator than the decimal mark"
    )


def _decimals_alone(lines: Sequence[str], layout: Layout) -> bool:
    """Is a single column of numbers with decimal commas read as two?"""
    rows = [r for r in (cells_in(line, ",") for line in lines[layout.first :]) if r]
    if len(layout.names) != 2 or not all(re.fullmatch(r"[+-]?\d+", r[0]) for r in rows if r[0]):
        return False
    if layout.named:
        # One name above two cells, and the first is no row number.
        return layout.names[0].startswith("Unnamed") and not _counts(rows)
    second = {r[1] for r in rows if len(r) == 2}
    return all(c.isdigit() for c in second) and not second <= {"0", "1"} and not _counts(rows)


def _counts(rows: Sequence[Sequence[str]]) -> bool:
    """Does the first cell number the rows?"""
    try:
        numbers = [int(row[0].strip("\"'")) for row in rows]
    except (ValueError, IndexError):
        return False
    return all(after - before == 1 for before, after in itertools.pairwise(numbers))


def _separator(lines: Sequence[str], decimal: str | None) -> str:
    """What cuts most lines into the same number of cells."""
    best, best_share = NO_SEPARATOR if decimal == "," else ",", 0.0
    for separator in SEPARATORS:
        if separator == decimal:
            continue
        rows = [r for r in (cells_in(line, separator) for line in lines) if r]
        widths = Counter(len(r) for r in rows)
        width, count = widths.most_common(1)[0] if widths else (1, 0)
        # Spaces stand within dates and words as well: only where every row is cut into data.
        if separator == " " and not all(_all_data(row) for row in rows[1:]):
            continue
        share = count / max(1, len(rows)) if width > 1 else 0.0
        if share > best_share + 0.05:
            best, best_share = separator, share
    return best


def _all_data(row: Sequence[str]) -> bool:
    return all(is_data(cell) for cell in row)


def _width(rows: Sequence[Sequence[str]]) -> int:
    """Cells of most rows."""
    widths = Counter(len(row) for row in rows if row)
    return widths.most_common(1)[0][0] if widths else 0


def _first_sample(rows: Sequence[Sequence[str]], width: int) -> int | None:
    """The first of the rows that hold data in the columns where most rows hold data."""
    full = [row for row in rows if len(row) == width]
    later = full[len(full) // 2 :]
    columns = [
        c for c in range(width) if later and 2 * sum(is_data(r[c]) for r in later) >= len(later)
    ]
    # A column of empty cells says nothing about where the samples begin.
    telling = [c for c in columns if any(r[c] and is_data(r[c], strict=True) for r in later)]
    if not telling:
        return None
    for place, row in enumerate(rows):
        if (
            len(row) == width
            and not _numbers_columns(row)
            and all(is_data(row[c]) for c in telling)
        ):
            if any(is_data(row[c], strict=True) for c in telling):
                return place
    return None


def _numbers_columns(row: Sequence[str]) -> bool:
    """Are the cells 0, 1, 2, ...: the names of columns that have none?"""
    names = row[1:] if not row[0] else row
    counted = [str(i) for i in range(len(names))]
    return list(names) == counted and (not row[0] or len(names) > 2) and len(names) > 0
