"""Any recording by its path, and the readers that there are."""

import os
import pathlib
from collections.abc import Callable, Sequence

from lamina_detect._common import BadInput
from lamina_detect.recordings._csv import read_csv
from lamina_detect.recordings._npy import read_npy
from lamina_detect.recordings._parquet import read_parquet
from lamina_detect.recordings._recording import Recording
from lamina_detect.recordings._wfdb import is_wfdb, read_wfdb

Reader = Callable[[pathlib.Path, Sequence[str] | None, float | None], Recording]

# A format is one file with one function `(path, columns, rate)`, and one line here.
READERS: dict[str, Reader] = {
    ".csv": read_csv,
    ".parquet": read_parquet,
    ".pq": read_parquet,
    ".npy": read_npy,
}


def read(
    path: str | os.PathLike[str],
    columns: Sequence[str] | None = None,
    rate: float | None = None,
) -> Recording:
    """The recording at `path`: CSV, Parquet, `.npy`, or a WFDB record.

    Args:
        path: The file; for a WFDB record its name without ending, or its header.
        columns: CSV and Parquet: the columns that hold signals; every numeric one by default, but
            those called time, timestamp, date, index, label, is_anomaly or anomaly.
        rate: Samples per second; from the time column by default. A WFDB header has its own.

    Raises:
        BadInput: one line that says what is wrong with the file.
    """
    path = pathlib.Path(path)
    if reader := READERS.get(path.suffix.lower()):
        return reader(path, columns, rate)
    # A record has no ending of its own: the header is what there is.
    if is_wfdb(path):
        return read_wfdb(path, columns, rate)
    if not path.exists():
        raise BadInput(f"{path}: no such file, and no WFDB header {path.name}.hea")
    if path.is_dir():
        raise BadInput(f"{path}: is a folder; name a file or a WFDB record in it")
    raise BadInput(
        f"{path}: not a kind of recording known here; give .csv, .parquet, .npy or a WFDB record"
    )
