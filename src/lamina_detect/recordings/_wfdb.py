"""WFDB records: header and annotations through the wfdb package, samples as stored bytes."""

import itertools
import pathlib
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from lamina_detect._common import BadInput
from lamina_detect.recordings._options import ReadOptions
from lamina_detect.recordings._recording import Beats, Recording
from lamina_detect.recordings._wfdb_files import DIFFERENCES, DifferencesFile, SignalFile

# Annotations that are beats, by WFDB's table of codes (`isqrs` of ecgmap.h).
BEATS = set("NLRBAaJSVrFejnE/fQ?")
# Those of `lamina.PackedSampleDecoder`; a list here, so that a header is refused without keras.
FORMATS = ("8", "16", "24", "32", "61", "80", "160", "212", "310", "311")
# Samples that are read together where the whole file is gone through.
PIECE = 1 << 20


def is_wfdb(path: pathlib.Path) -> bool:
    """Is there a header for this path, of a record or of one of its files?"""
    return path.suffix in ("", ".hea", ".dat") and path.with_suffix(".hea").exists()


def read_wfdb(
    path: pathlib.Path, options: ReadOptions | None = None, piece: int = PIECE
) -> Recording:
    """The WFDB record at `path`, with or without ending; see `read`."""
    record = path.with_suffix("")
    header = _header(record)
    files = _signal_files(record, header, piece)
    for file in files:
        file.check_size()
    _verify_checksums(record, header, piece)
    # As stored, where each frame can be decoded by itself and holds every signal.
    stored = files[0] if len(files) == 1 and files[0].format != DIFFERENCES else None
    return Recording(
        name=record.name,
        leads=_unique(_names(header)),
        units=tuple(header.units),
        length=header.sig_len,
        rate=float(header.fs),
        read=lambda start, stop: np.concatenate([f.samples(start, stop) for f in files], 1),
        frames=stored and stored.frames,
        packing=stored and stored.packing,
        beats=_beats(record, header.sig_len),
    )


def _header(record: pathlib.Path) -> Any:
    import wfdb

    path = record.with_suffix(".hea")
    _check_file_names(path)
    try:
        header = wfdb.rdheader(str(record))
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from None
    except Exception as error:
        raise BadInput(f"{path}: not a WFDB header: {type(error).__name__}: {error}") from None
    if not isinstance(header, wfdb.Record) or not header.n_sig:
        raise BadInput(f"{path}: a record of several segments or of no signal is not supported")
    if not header.sig_len or header.sig_len < 1:
        raise BadInput(f"{path}: the header does not say how many samples there are")
    if not header.fs or not _finite(header.fs) or header.fs <= 0:
        raise BadInput(f"{path}: the sampling rate is {header.fs}, not a positive number")
    _check_signals(path, header)
    return header


def _check_file_names(path: pathlib.Path) -> None:
    """Before anything opens them: every file that the header names lies beside it."""
    try:
        lines = path.read_text("latin-1").splitlines()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from None
    named = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")][1:]
    for name in named:
        if pathlib.PurePosixPath(name).name != name or pathlib.PureWindowsPath(name).name != name:
            raise BadInput(f"{path}: names a file outside its folder: {name}")


def _check_signals(path: pathlib.Path, header: Any) -> None:
    for field in ("fmt", "file_name", "adc_gain", "baseline", "units", "samps_per_frame"):
        values = getattr(header, field)
        if values is None or len(values) != header.n_sig or any(v is None for v in values):
            raise BadInput(f"{path}: does not give {field} for each of its {header.n_sig} signals")
    unknown = sorted({str(f) for f in header.fmt} - set(FORMATS))
    if unknown:
        known = ", ".join(FORMATS)
        raise BadInput(f"{path}: unknown storage format {', '.join(unknown)}; known here: {known}")
    if len(set(header.samps_per_frame)) > 1:
        raise BadInput(f"{path}: its signals have different sampling rates")
    if header.samps_per_frame[0] != 1 or any(header.skew or ()) or any(header.byte_offset or ()):
        raise BadInput(f"{path}: samples per frame, skew and byte offset are not supported")
    if not all(_finite(g) and g for g in header.adc_gain):
        raise BadInput(f"{path}: a gain of {header.adc_gain}: every one must be a number, not 0")
    if not all(-(2**31) <= b < 2**31 for b in header.baseline):
        raise BadInput(f"{path}: a baseline of {header.baseline}: every one must fit 32 bits")


def _finite(number: float) -> bool:
    # A header's whole number may have any number of digits.
    return abs(number) <= sys.float_info.max


def _signal_files(record: pathlib.Path, header: Any, piece: int) -> list[SignalFile]:
    """A `SignalFile` for each run of signals in the same file."""
    files: list[SignalFile] = []
    for name, run in itertools.groupby(range(header.n_sig), lambda i: header.file_name[i]):
        run = list(run)
        formats = {header.fmt[i] for i in run}
        if len(formats) > 1:
            raise BadInput(f"{record}.hea: {name} in several formats: {', '.join(sorted(formats))}")
        starts = header.init_value or [0] * header.n_sig
        gain, baseline = ([field[i] for i in run] for field in (header.adc_gain, header.baseline))
        initial = [starts[i] or 0 for i in run]
        path = _data_file(record, name)
        if any(path == file.path for file in files):
            raise BadInput(f"{record}.hea: the signals of {name} are not one after the other")
        known = (path, formats.pop(), header.sig_len, gain, baseline, initial)
        differences = known[1] == DIFFERENCES
        files.append(DifferencesFile(*known, piece) if differences else SignalFile(*known))
    return files


def _data_file(record: pathlib.Path, name: str) -> pathlib.Path:
    folder = record.parent.resolve()
    data = (folder / name).resolve()
    # A link may lead out of the folder too.
    if data.parent != folder:
        raise BadInput(f"{record}.hea: names a file outside its folder: {name}")
    if not data.is_file():
        raise BadInput(f"{data}: no such file, but {record.name}.hea names it")
    try:
        data.open("rb").close()
    except OSError as error:
        raise BadInput(f"{data}: cannot be read: {error.strerror}") from None
    return data


def _verify_checksums(record: pathlib.Path, header: Any, piece: int) -> None:
    """The sum of each lead's samples, modulo 2^16, against the header's."""
    import wfdb

    if header.checksum is None or any(c is None for c in header.checksum):
        return
    # The wfdb package cannot begin within a file of differences.
    piece = header.sig_len if DIFFERENCES in header.fmt else piece
    sums = np.zeros(header.n_sig, "int64")
    for start in range(0, header.sig_len, piece):
        stop = min(start + piece, header.sig_len)
        try:
            part: Any = wfdb.rdrecord(str(record), sampfrom=start, sampto=stop, physical=False)
        except Exception as error:
            kind = type(error).__name__
            raise BadInput(f"{record}: does not fit its header: {kind}: {error}") from None
        sums += part.d_signal.sum(0, dtype="int64")
    for lead, (got, want) in enumerate(zip(sums, header.checksum, strict=True)):
        if (int(got) - want) % 65536:
            raise BadInput(
                f"{record}: the checksum of lead {header.sig_name[lead]} does not match its "
                "header: the file is damaged"
            )


def _beats(record: pathlib.Path, length: int) -> Beats | None:
    import wfdb

    if not record.with_suffix(".atr").exists():
        return None
    try:
        found = wfdb.rdann(str(record), "atr")
    except Exception as error:
        raise BadInput(f"{record}.atr: not WFDB annotations: {error}") from None
    symbols, samples = np.array(found.symbol), np.asarray(found.sample)
    keep = np.isin(symbols, list(BEATS)) & (samples >= 0) & (samples < length)
    return Beats(samples[keep], symbols[keep] == "V") if keep.any() else None


def _names(header: Any) -> list[str]:
    """The signals' descriptions, where the header has them."""
    named = header.sig_name or [None] * header.n_sig
    return [name or f"lead{i}" for i, name in enumerate(named)]


def _unique(names: Iterable[object]) -> tuple[str, ...]:
    """Lead names, numbered where two are alike."""
    known = [str(n) for n in names]
    return tuple(n if known.count(n) == 1 else f"{n}_{i}" for i, n in enumerate(known))
