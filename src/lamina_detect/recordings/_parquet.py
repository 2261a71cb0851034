"""Parquet and Feather tables."""

import decimal
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from lamina_detect._common import BadInput, first_line
from lamina_detect.recordings._options import ReadOptions
from lamina_detect.recordings._parquet_pieces import read_in_pieces
from lamina_detect.recordings._recording import Recording
from lamina_detect.recordings._table import Numbers, Table, from_table

# Bytes of a column that are read together: a page, as most writers make them.
BUFFER = 1 << 20


def read_parquet(path: pathlib.Path, options: ReadOptions) -> Recording:
    """The recording in a Parquet file; see `read`."""
    import pandas as pd
    import pyarrow.parquet as pq

    def long(path: pathlib.Path) -> Recording | None:
        # As it is set, Arrow holds a whole row group, of which a file may have one.
        file = pq.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER)
        return read_in_pieces(path, file, options, table_of)

    recording = _guarded(path, "Parquet", long)
    return recording or from_table(
        table_of(path, _guarded(path, "Parquet", pd.read_parquet)), options
    )


def read_feather(path: pathlib.Path, options: ReadOptions) -> Recording:
    """The recording in a Feather (Arrow IPC) file; see `read`."""
    import pandas as pd

    return from_table(table_of(path, _guarded(path, "Feather", pd.read_feather)), options)


def _guarded(path: pathlib.Path, kind: str, reader: Callable[[pathlib.Path], Any]) -> Any:
    try:
        return reader(path)
    except BadInput:
        raise
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {first_line(error)}") from None
    except Exception as error:  # damaged metadata fail in many ways
        raise BadInput(f"{path}: not a {kind} file: {first_line(error)}") from None


def table_of(path: pathlib.Path, frame: Any) -> Table:
    """A pandas table as every reader gives it; an index that is not made up is a column."""
    import pandas as pd

    if not isinstance(frame.index, pd.RangeIndex):
        names = [name or "index" for name in frame.index.names]
        frame = frame.reset_index(names=names, allow_duplicates=True)
    names = [" ".join(map(str, n)) if isinstance(n, tuple) else str(n) for n in frame.columns]
    columns = {n.strip(): _column(frame.iloc[:, i]) for i, n in enumerate(names)}
    return Table(path, columns)


def _column(series: Any) -> Any:
    import pandas as pd
    import pyarrow as pa

    if isinstance(series.dtype, pd.DatetimeTZDtype) or series.dtype.kind == "M":
        return pd.DatetimeIndex(series)
    if series.dtype.kind == "m":
        return Numbers(series.dt.total_seconds().to_numpy("float64"))
    if pd.api.types.is_bool_dtype(series):
        return pa.array(series.astype("str"), pa.string())
    if pd.api.types.is_numeric_dtype(series) and series.dtype.kind != "c":
        return Numbers(series.to_numpy("float64", na_value=np.nan))
    if (exact := _decimals(series)) is not None:
        return exact
    text = pa.array([None if pd.isna(v) else str(v) for v in series.array if np.ndim(v) == 0])
    if len(text) != len(series):  # lists in cells
        text = pa.array([""] * len(series))
    return text


def _decimals(series: Any) -> Numbers | None:
    """Exact decimals, which pandas holds as objects; None if they are something else."""
    first = next((value for value in series.array if value is not None), None)
    if not isinstance(first, decimal.Decimal):
        return None
    return Numbers(series.astype("float64").to_numpy())
