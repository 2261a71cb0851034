"""Lines of a table of text, and their cells."""

import csv
import io
import re

COMMENTS = ("#", "%", "//", "!")
LINE_END = re.compile(r"\r\n|\n|\r")


def is_comment(line: str) -> bool:
    return line.lstrip().startswith(COMMENTS)


def cells_in(line: str, separator: str) -> list[str]:
    """The cells of a line; none of a comment."""
    if not line.strip() or is_comment(line):
        return []
    if separator == " " and '"' not in line:
        return line.split()
    try:
        reader = csv.reader(
            io.StringIO(line.strip(" ")), delimiter=separator, skipinitialspace=True
        )
        return [c.strip() for c in next(reader)]
    except (csv.Error, StopIteration):
        return []
