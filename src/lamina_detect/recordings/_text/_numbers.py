"""Cells of text as numbers: which mark stands before the decimals, the whole column decides."""

import dataclasses
import enum
from collections.abc import Iterable
from typing import Any

import numpy as np

from lamina_detect.recordings._arrow import compute
from lamina_detect.recordings._markers import MARKERS

EXPONENT = r"([eE][+-]?\d+)?"
# A thousand group follows one to three digits, and a number does not begin with 0.
DOT = rf"^[+-]?([1-9]\d{{0,2}}(,\d{{3}})+|\d*)(\.\d*)?{EXPONENT}$"
COMMA = rf"^[+-]?([1-9]\d{{0,2}}(\.\d{{3}})+|\d*)(,\d*)?{EXPONENT}$"
DIGIT = r"\d"
INFINITE = r"(?i)^[+-]?inf(inity)?$"
# One, two or three digits and then exactly three: a thousand, or three decimals.
THREE = r"^[+-]?[1-9]\d{0,2}[.,]\d{3}$"
# Separators of thousands that cannot be anything else: spaces of any width, apostrophes.
GROUPED = "(\\d)[ \u00a0\u2009\u202f'\u2019](\\d{3})"


class Mark(enum.Enum):
    """What the cells of a column prove about the mark before the decimals."""

    NONE = "no mark at all"
    DOT = "."
    COMMA = ","
    UNCLEAR = "either"
    TEXT = "not numbers"


@dataclasses.dataclass(frozen=True)
class Cells:
    """A column of text without spaces around it, and which cells say "no measurement"."""

    text: Any
    missing: Any


def cells_of(column: Any, words: Iterable[str] = ()) -> Cells:
    """A column as `Cells`; `words` mean "no measurement" too."""
    import pyarrow as pa

    pc = compute()
    text: Any = pa.chunked_array([column]) if isinstance(column, pa.Array) else column
    text = pc.utf8_trim_whitespace(pc.fill_null(text.cast(pa.string()), ""))
    markers = pa.array(sorted(MARKERS | set(words)))
    return Cells(text, pc.is_in(pc.utf8_lower(text), value_set=markers))


def marker_counts(cells: Cells) -> dict[str, int]:
    """How often each word, but the usual ones for an empty cell, means "no measurement"."""
    pc = compute()
    found = pc.value_counts(cells.text.filter(cells.missing)).to_pylist()
    usual = {"", "nan", "null", "na", "none"}
    return {f["values"]: f["counts"] for f in found if f["values"].casefold() not in usual}


def mark_of(cells: Cells, separator: str) -> Mark:
    """What the column proves about its decimals; `separator` stands between the cells."""
    pc = compute()
    text = _plain(pc.drop_null(cells.text.filter(pc.invert(cells.missing))))
    if not len(text):
        return Mark.NONE
    dot, comma = (_share(text, pattern) == 1 for pattern in (DOT, COMMA))
    if not (dot or comma):
        # A few words among numbers do not make it a column of text: they are reported as wrong.
        dot, comma = (_share(text, pattern) > 0.5 for pattern in (DOT, COMMA))
    if dot != comma:
        return Mark.DOT if dot else Mark.COMMA
    if not dot:
        return Mark.TEXT
    return _either(text, separator)


def _either(text: Any, separator: str) -> Mark:
    """Every cell is a number by both readings."""
    pc = compute()
    commas = pc.any(pc.match_substring(text, ",")).as_py()
    dots = pc.any(pc.match_substring(text, ".")).as_py()
    if not commas and not dots:
        return Mark.NONE
    # Three decimals in every cell are decimals; with bare integers among them, perhaps thousands.
    # Commas between the columns: then nobody writes thousands with a dot.
    if not commas and (separator == "," or _share(text, THREE) == 1):
        return Mark.DOT
    return Mark.UNCLEAR


def _share(text: Any, pattern: str) -> float:
    pc = compute()
    fits = pc.and_(pc.match_substring_regex(text, pattern), pc.match_substring_regex(text, DIGIT))
    fits = pc.or_(fits, pc.match_substring_regex(text, INFINITE))
    return pc.mean(fits).as_py() or 0.0


def _plain(text: Any) -> Any:
    """Without thousands that cannot be mistaken; with the minus sign of the keyboard."""
    pc = compute()
    text = pc.replace_substring(text, "\u2212", "-")
    grouped = pc.match_substring_regex(text, GROUPED)
    if pc.any(grouped).as_py():
        for _ in range(2):  # groups that touch are found one after the other
            text = pc.replace_substring_regex(text, GROUPED, r"\1\2")
    return text


def numbers(cells: Cells, mark: Mark) -> tuple[np.ndarray, np.ndarray]:
    """The cells as float64, NaN where missing, and where a cell is no number."""
    import pyarrow as pa

    pc = compute()
    text = pc.if_else(cells.missing, "nan", _plain(cells.text))
    pattern = COMMA if mark is Mark.COMMA else DOT
    fits = pc.and_(pc.match_substring_regex(text, pattern), pc.match_substring_regex(text, DIGIT))
    fits = pc.or_(pc.or_(fits, pc.match_substring_regex(text, INFINITE)), cells.missing)
    text = pc.if_else(fits, text, "nan")
    if mark is Mark.COMMA:
        text = pc.replace_substring(pc.replace_substring(text, ".", ""), ",", ".")
    else:
        text = pc.replace_substring(text, ",", "")
    # Arrow takes no sign "+", and no number that ends in the mark.
    text = pc.replace_substring_regex(pc.replace_substring_regex(text, r"^\+", ""), r"\.$", "")
    values = pc.cast(text, pa.float64()).to_numpy()
    return values, ~pc.fill_null(fits, False).to_numpy()
