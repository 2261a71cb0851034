"""CSV files: columns of numbers, with or without a header line and a time column."""

import pathlib
from collections.abc import Sequence

from lamina_detect._common import BadInput
from lamina_detect.recordings._recording import Recording
from lamina_detect.recordings._table import from_table

# Enough for the header line of a file of a thousand columns; a file without line ends has more.
LONGEST_HEADER = 65_536


def read_csv(path: pathlib.Path, columns: Sequence[str] | None, rate: float | None) -> Recording:
    """The recording in a CSV file; see `read`."""
    import pandas as pd

    try:
        with path.open("rb") as file:
            first = file.readline(LONGEST_HEADER)
        header = None if _all_numbers(first) else 0
        # Universal newlines: on a lone carriage return pandas' parser takes memory without end.
        with path.open(encoding="utf-8-sig") as file:
            table = pd.read_csv(file, header=header, skipinitialspace=True, low_memory=False)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, pd.errors.ParserError) as error:
        raise BadInput(f"{path}: not a CSV file: {str(error).splitlines()[0]}") from None
    table.columns = [str(name).strip() for name in table.columns]
    return from_table(path, table, columns, rate, named=header is not None)


def _all_numbers(line: bytes) -> bool:
    try:
        [float(field) for field in line.decode().split(",")]
    except (ValueError, UnicodeDecodeError):
        return False
    return True
