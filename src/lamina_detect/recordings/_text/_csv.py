"""Text files: rows of cells, in any of the dialects that people's programs write."""

import pathlib
from typing import Any

from lamina_detect._common import BadInput, first_line
from lamina_detect.recordings._options import ReadOptions
from lamina_detect.recordings._recording import Recording
from lamina_detect.recordings._table import Table, from_table
from lamina_detect.recordings._text._bytes import read_bytes
from lamina_detect.recordings._text._columns import columns_of
from lamina_detect.recordings._text._encoding import as_8bit, as_utf8
from lamina_detect.recordings._text._layout import layout_of
from lamina_detect.recordings._text._parse import NotUtf8, Parsed, parse

# Bytes from which the layout is found.
SAMPLE = 1 << 18
# Endings of compressed files, and of tables: neither belongs to the name.
ENDINGS = {".gz", ".bz2", ".xz", ".zst", ".zip", ".csv", ".tsv", ".tab", ".txt", ".dat", ".log"}


def read_csv(path: pathlib.Path, options: ReadOptions) -> Recording:
    """The recording in a text file, or in standard input; see `read`."""
    data, encoding = as_utf8(path, read_bytes(path))
    try:
        parsed = _parsed(path, data, options)
    except NotUtf8:
        data, encoding = as_8bit(path, bytes(data))
        parsed = _parsed(path, data, options)
    notes = [] if encoding == "utf-8" else [f"read as {encoding}"]
    columns, more = columns_of(path, parsed, options)
    layout = parsed.layout
    units = {n: u for n, u in zip(layout.names, layout.units, strict=True) if u}
    table = Table(path, columns, units, layout.named, parsed.line, [*notes, *more], _name(path))
    return from_table(table, options)


def _parsed(path: pathlib.Path, data: Any, options: ReadOptions) -> Parsed:
    sample = _sample(path, data)
    return parse(path, data, sample, layout_of(path, sample, options.decimal), options)


def _sample(path: pathlib.Path, data: Any) -> str:
    """The beginning of the text, whole lines."""
    start = bytes(data[:SAMPLE])
    if len(start) < len(data):
        end = max(start.rfind(b"\n"), start.rfind(b"\r")) + 1
        if not end:
            raise BadInput(f"{path}: not a CSV file: its first {SAMPLE} bytes are one line")
        start = start[:end]
    try:
        return start.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotUtf8(first_line(error)) from None


def _name(path: pathlib.Path) -> str:
    """The file's name without endings."""
    if str(path) == "-":
        return "stdin"
    while path.suffix.lower() in ENDINGS and path.stem:
        path = path.with_suffix("")
    return path.name
