"""Parquet tables."""

import pathlib
from collections.abc import Sequence

from lamina_detect._common import BadInput, first_line
from lamina_detect.recordings._recording import Recording
from lamina_detect.recordings._table import from_table


def read_parquet(
    path: pathlib.Path, columns: Sequence[str] | None, rate: float | None
) -> Recording:
    """The recording in a Parquet file; see `read`."""
    import pandas as pd

    try:
        table = pd.read_parquet(path)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {first_line(error)}") from None
    except Exception as error:  # damaged metadata fail in many ways
        raise BadInput(f"{path}: not a Parquet file: {first_line(error)}") from None
    table.columns = [str(name).strip() for name in table.columns]
    return from_table(path, table, columns, rate)
