"""Any recording by its path."""

import pathlib

from lamina_detect._errors import BadInput
from lamina_detect._read_csv import read_csv
from lamina_detect._read_other import read_npy, read_parquet
from lamina_detect._read_wfdb import read_wfdb


def read(path, columns=None, rate=None):
    """The recording at `path`: CSV, Parquet, `.npy`, or a WFDB record.

    Args:
        path: The file; for a WFDB record its name without ending, or its header.
        columns: CSV and Parquet: the columns that hold signals; every numeric one by default, but
            those called time, timestamp, date, index, label, is_anomaly or anomaly.
        rate: Samples a second; from the time column by default. A WFDB header tells its own.

    Raises:
        BadInput: one line that says what is wrong with the file.
    """
    path = pathlib.Path(path)
    if path.suffix.lower() == ".csv":
        return read_csv(path, columns, rate)
    if path.suffix.lower() in (".parquet", ".pq"):
        return read_parquet(path, columns, rate)
    if path.suffix.lower() == ".npy":
        return read_npy(path, rate)
    if path.suffix in ("", ".hea", ".dat") and path.with_suffix(".hea").exists():
        return read_wfdb(path.with_suffix(""))
    if not path.exists():
        raise BadInput(f"{path}: no such file, and no WFDB header {path.name}.hea")
    if path.is_dir():
        raise BadInput(f"{path}: is a folder; name a file or a WFDB record in it")
    raise BadInput(
        f"{path}: not a kind of recording known here; give .csv, .parquet, .npy or a WFDB record"
    )
