"""Any recording by its path, and the readers that there are."""

import dataclasses
import importlib
import importlib.metadata
import os
import pathlib
import re
from collections.abc import Callable, Sequence

import numpy as np

from lamina_detect._common import BadInput, first_line
from lamina_detect.recordings._options import ReadOptions
from lamina_detect.recordings._recording import Recording
from lamina_detect.recordings._wfdb import is_wfdb, read_wfdb

Reader = Callable[[pathlib.Path, ReadOptions], Recording]

HERE = "lamina_detect.recordings"
# A format is one file with one function `(path, options)`, and one line here: its endings, where
# the function is, and the extra that it needs. It is imported when it is first used.
TEXT = ".csv .tsv .tab .txt .asc .prn .log .dat .gz .bz2 .xz .zst .zip"
READERS = {
    TEXT: (f"{HERE}._text:read_csv", "ecg"),
    ".parquet .pq": (f"{HERE}._parquet:read_parquet", "ecg"),
    ".feather .arrow": (f"{HERE}._parquet:read_feather", "ecg"),
    ".npy": (f"{HERE}._npy:read_npy", "ecg"),
    ".npz": (f"{HERE}._npy:read_npz", "ecg"),
    ".edf .bdf": (f"{HERE}._edf:read_edf", "edf"),
    ".wav .flac .aif .aiff .aifc": (f"{HERE}._audio:read_audio", "audio"),
    ".dcm .dicom": (f"{HERE}._dicom:read_dicom", "dicom"),
    ".h5 .hdf5 .hdf .he5": (f"{HERE}._hdf5:read_hdf5", "hdf5"),
    ".mat": (f"{HERE}._mat:read_mat", "hdf5"),
}
# Third parties register a function `(path, options)` under this group; the name is the ending.
GROUP = "lamina_detect.readers"
# Files that hold several arrays: `FILE:MEMBER`.
WITH_MEMBERS = re.compile(r"(?i)(.+\.(?:npz|mat|h5|hdf5|hdf|he5)):(.+)")
STANDARD_INPUT = "-"


def read(
    path: str | os.PathLike[str],
    columns: Sequence[str] | None = None,
    rate: float | None = None,
    *,
    time: str | None = None,
    by: str | None = None,
    missing: Sequence[str | float] | str | float = (),
    resample: str | None = None,
    decimal: str | None = None,
    dates: str | None = None,
) -> Recording:
    """The recording at `path`: a table, an array, a WFDB record, EDF, audio, DICOM, HDF5 or MATLAB.

    Args:
        path: The file; for a WFDB record its name without ending, or its header; `FILE:MEMBER` for
            an array in a file of several; `-` for a table on standard input.
        columns: Tables: the columns that hold signals; by default those of measurements.
        rate: Samples per second; from the times by default. Most other formats have their own.
        time: Tables: the column that holds the times; "none": the rows have none.
        by: Tables with a row for each series: the column that names the series.
        missing: Numbers or words that mean "no measurement"; "none": no number does.
        resample: Tables: a step, such as "5min", to which uneven samples are averaged.
        decimal: Text: what stands before the decimals, "." or ",".
        dates: Text: "dmy" or "mdy", where both are possible.

    Raises:
        BadInput: one line that says what is wrong with the file, and what settles it.
    """
    stated = (missing,) if isinstance(missing, str | float | int) else tuple(missing)
    name, member = _member(os.fspath(path))
    options = ReadOptions(columns, rate, time, by, stated, resample, decimal, dates, member)
    return _without_stated(_by_kind(pathlib.Path(name), options), options.missing_numbers())


def _without_stated(recording: Recording, numbers: Sequence[float]) -> Recording:
    """NaN for what the user said is no measurement, whatever the format."""
    if not numbers:
        return recording

    def read(start: int, stop: int) -> np.ndarray:
        x = recording.read(start, stop)
        # Physical values are computed, in single precision.
        close = [np.isclose(x, number, rtol=1e-6, atol=0) for number in numbers]
        return np.where(np.any(close, 0), np.float32(np.nan), x)

    return dataclasses.replace(recording, read=read)


def known_endings() -> frozenset[str]:
    """The endings of files that `read` takes, those of other packages' readers too."""
    ours = " ".join(READERS).split()
    theirs = importlib.metadata.entry_points(group=GROUP)
    return frozenset([*ours, *("." + entry.name.lower().lstrip(".") for entry in theirs)])


def _member(name: str) -> tuple[str, str | None]:
    found = None if os.path.lexists(name) else WITH_MEMBERS.fullmatch(name)
    return (found[1], found[2]) if found else (name, None)


def _by_kind(path: pathlib.Path, options: ReadOptions) -> Recording:
    if str(path) == STANDARD_INPUT:
        return _needing(*READERS[TEXT])(path, options)
    # A record has no ending of its own: the header is what there is.
    if is_wfdb(path):
        return read_wfdb(path, options)
    if path.is_dir():
        raise BadInput(f"{path}: is a folder; name a file or a WFDB record in it")
    reader = _reader(path.suffix.lower())
    if not path.exists():
        header = "" if reader else f", and no WFDB header {path.name}.hea"
        raise BadInput(f"{path}: cannot be read: No such file or directory{header}")
    if reader:
        return reader(path, options)
    known = " ".join(ending for endings in READERS for ending in endings.split())
    raise BadInput(f"{path}: not a kind of recording known here; give a WFDB record or {known}")


def _reader(ending: str) -> Reader | None:
    """Of an ending: ours, or one that another package registered."""
    if ending in (".hea", ""):
        return None
    for endings, (place, extra) in READERS.items():
        if ending in endings.split():
            return _needing(place, extra)
    for entry in importlib.metadata.entry_points(group=GROUP):
        if ending == "." + entry.name.lower().lstrip("."):
            return _loaded(entry)
    return None


def _loaded(entry: importlib.metadata.EntryPoint) -> Reader:
    try:
        return entry.load()
    except Exception as error:  # another package's code
        raise BadInput(
            f"the reader of .{entry.name} ({entry.value}): {first_line(error)}"
        ) from None


def _needing(place: str, extra: str) -> Reader:
    """The reader, with a plain word where what it needs is not installed."""
    module, _, name = place.partition(":")

    def reader(path: pathlib.Path, options: ReadOptions) -> Recording:
        try:
            return getattr(importlib.import_module(module), name)(path, options)
        except ModuleNotFoundError as error:
            raise BadInput(
                f"{path}: reading {path.suffix} needs {error.name}: pip install 'lamina[{extra}]'"
            ) from None

    return reader
