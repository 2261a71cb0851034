"""Cells of a table of text, split and, where that is safe, converted by Arrow."""

import dataclasses
import functools
import itertools
import pathlib
import re
from collections.abc import Sequence
from typing import Any

from lamina_detect._common import BadInput, first_line
from lamina_detect.recordings._arrow import compute
from lamina_detect.recordings._markers import MARKERS
from lamina_detect.recordings._options import ReadOptions
from lamina_detect.recordings._text._layout import Layout
from lamina_detect.recordings._text._lines import COMMENTS, LINE_END
from lamina_detect.recordings._text._numbers import Cells, Mark, cells_of, mark_of

# Bytes that Arrow parses together.
BLOCK = 1 << 22
# ISO 8601 without a zone, or in UTC: what Arrow reads as times.
ISO = r"^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?$"
ISO_UTC = r"^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?Z$"
# A third of the lines blank: every other line is, and none is a missing sample.
BLANK = 1 / 3
# Wider tables are read only for the columns that the user names, with the first few, which may be
# the times.
MOST_COLUMNS, FIRST_COLUMNS = 1000, 3


class NotUtf8(Exception):
    """Further down than the sample, the text is in another encoding."""


@dataclasses.dataclass(frozen=True)
class Parsed:
    """Columns of Arrow: numbers, times or text; and what is known of the file."""

    columns: dict[str, Any]
    layout: Layout
    marks: dict[str, Mark]
    data: Any

    def line(self, row: int) -> str:
        """Where a row of samples is, for people."""
        return f"line {self.layout.first + row + 1}"


def parse(
    path: pathlib.Path, data: Any, sample: str, layout: Layout, options: ReadOptions
) -> Parsed:
    """The cells of `data`, which begins with `sample`."""
    body = _body(data, sample, layout)
    types, marks = _types(sample, layout, _read_columns(path, layout, options), options)
    try:
        table = _split(path, body, layout, types, options)
    except BadInput:
        raise
    except ValueError:  # a cell that the sample did not let expect: as text, it is looked at again
        table = _as_text(path, body, layout, list(types), options)
        marks = {}
    columns = dict(zip(table.column_names, table.columns, strict=True))
    return Parsed(columns, layout, marks, data)


def _body(data: Any, sample: str, layout: Layout) -> Any:
    """The bytes of the samples alone."""
    ends = [0, *(match.end() for match in LINE_END.finditer(sample))]
    start = len(sample[: ends[layout.first]].encode())
    body = memoryview(data)[start:]
    for header in _headers(sample, ends, layout):
        # Files that were joined: the header comes again.
        if _holds(data, header, start):
            body = re.sub(rb"(?m)^" + re.escape(header) + rb"\r?$", b"", body)
    if layout.comments:
        starts = b"|".join(re.escape(c.encode()) for c in COMMENTS)
        body = re.sub(rb"(?m)^[ \t]*(?:" + starts + rb").*$", b"", body)
    if layout.separator == " ":
        body = re.sub(rb"(?m)^[ \t]+|[ \t]+$", b"", body)
        body = re.sub(rb"[ \t]+", b"\t", body)
    if len(layout.names) == 1 or bytes(body[-1:]) == b"\x1a":
        body = bytes(body).rstrip(b"\x1a\r\n \t") + b"\n"
    return body


def _headers(sample: str, ends: Sequence[int], layout: Layout) -> list[bytes]:
    """The last lines above the samples, as they stand in the file."""
    if not layout.named or len(layout.names) == 1:
        return []
    lines = [sample[a:b].strip("\r\n") for a, b in itertools.pairwise(ends[: layout.first + 1])]
    return [line.encode() for line in lines[-2:] if layout.separator in line.strip()]


def _holds(data: Any, line: bytes, start: int) -> bool:
    found = data if hasattr(data, "find") else bytes(data)
    return found.find(b"\n" + line, start) >= 0


def _read_columns(path: pathlib.Path, layout: Layout, options: ReadOptions) -> list[str]:
    """The columns that are read: all, unless they are too many."""
    names = layout.names
    if len(names) <= MOST_COLUMNS:
        return list(names)
    if not options.columns:
        raise BadInput(f"{path}: {len(names):,} columns; choose some with --columns")
    stated = {part.strip() for name in options.columns for part in (name, *name.split(","))}
    stated |= {name for name in (options.time, options.by) if name}
    return [n for i, n in enumerate(names) if i < FIRST_COLUMNS or n in stated]


def _types(
    sample: str, layout: Layout, names: Sequence[str], options: ReadOptions
) -> tuple[dict[str, Any], dict[str, Mark]]:
    """Which columns Arrow may convert while it splits, by the sample; and what it says of each."""
    import pyarrow as pa

    try:
        body = _body(sample.encode(), sample, layout)
        table = _split(pathlib.Path(), body, layout, dict.fromkeys(names, pa.string()), None)
    except ValueError:
        return dict.fromkeys(names, pa.string()), {}
    words = options.missing_words()
    cells = {name: cells_of(c, words) for name, c in zip(names, table.columns, strict=True)}
    marks = {name: mark_of(c, layout.separator) for name, c in cells.items()}
    plain = not {Mark.COMMA, Mark.UNCLEAR} & set(marks.values()) and options.decimal != ","
    # Only where Arrow's reading cannot differ from the whole column's.
    return {n: _type(c, marks[n], plain, layout.separator) for n, c in cells.items()}, marks


def _type(cells: Cells, mark: Mark, plain: bool, separator: str) -> Any:
    import pyarrow as pa

    pc = compute()
    text = cells.text.filter(pc.invert(cells.missing))
    certain = mark is Mark.DOT or (mark is Mark.NONE and separator == ",")
    if plain and certain and _casts(text):
        return pa.float64()
    for pattern, zone in ((ISO, None), (ISO_UTC, "UTC")):
        if len(text) and pc.all(pc.match_substring_regex(text, pattern)).as_py():
            return pa.timestamp("ns", zone)
    return pa.string()


def _casts(text: Any) -> bool:
    import pyarrow as pa

    try:
        text.cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def _as_text(
    path: pathlib.Path, body: Any, layout: Layout, names: Sequence[str], options: ReadOptions
) -> Any:
    import pyarrow as pa

    try:
        return _split(path, body, layout, dict.fromkeys(names, pa.string()), options)
    except BadInput:
        raise
    except ValueError as error:
        if "UTF8" in str(error) or isinstance(error, UnicodeError):
            raise NotUtf8(str(error)) from None
        raise BadInput(f"{path}: not a CSV file: {first_line(error)}") from None


def _split(
    path: pathlib.Path,
    body: Any,
    layout: Layout,
    types: dict[str, Any],
    options: ReadOptions | None,
) -> Any:
    import pyarrow as pa
    import pyarrow.csv

    wrong: list[Any] = []
    words = _null_words(tuple(sorted(options.missing_words())) if options else ())
    single = len(layout.names) == 1
    table = pyarrow.csv.read_csv(
        pa.BufferReader(pa.py_buffer(body)),
        pyarrow.csv.ReadOptions(column_names=list(layout.names), block_size=BLOCK),
        pyarrow.csv.ParseOptions(
            delimiter={" ": "\t"}.get(layout.separator, layout.separator),
            # A line without a cell is a missing sample, unless every other one is.
            ignore_empty_lines=not single or _double_spaced(body),
            invalid_row_handler=lambda row: wrong.append(row) or "skip",
        ),
        pyarrow.csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=words,
            strings_can_be_null=False,
        ),
    )
    if wrong and options is not None:
        raise BadInput(f"{path}: {_wrong_row(wrong, body, layout)}")
    return table


def _double_spaced(body: Any) -> bool:
    start = bytes(body[: 1 << 16])
    lines = start.splitlines()[:-1]
    return sum(not line.strip() for line in lines) > BLANK * max(1, len(lines))


@functools.cache
def _null_words(more: tuple[str, ...]) -> list[str]:
    return sorted(
        {f(w) for w in (*MARKERS, *more) for f in (str, str.upper, str.title, str.capitalize)}
        | {"NaN", "#N/A"}
    )


def _wrong_row(wrong: list[Any], body: Any, layout: Layout) -> str:
    """A row that has too many or too few cells: the first of them in the file."""
    data = bytes(body)
    places = [(_line_start(data, row.text.encode()), row) for row in wrong[:1000]]
    place, row = min(places, key=lambda found: found[0])
    line = (
        layout.first + 1 + len(LINE_END.findall(data[: max(0, place)].decode("utf-8", "replace")))
    )
    shown = row.text[:60]
    return (
        f"line {line} has {row.actual_columns} cells, not {row.expected_columns}: {shown!r}; "
        "complete or remove it (was the file cut?)"
    )


def _line_start(data: bytes, text: bytes) -> int:
    """Where a whole line is."""
    found = re.search(rb"(?:^|[\r\n])(" + re.escape(text) + rb")(?:[\r\n]|$)", data)
    return found.start(1) if found else 0
