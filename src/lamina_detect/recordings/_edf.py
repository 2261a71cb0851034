"""EDF, EDF+ and BDF files."""

import pathlib
import re
import warnings
from typing import Any

import numpy as np

from lamina_detect._common import BadInput
from lamina_detect.recordings._options import ReadOptions
from lamina_detect.recordings._pieces import chosen, guarded, in_pieces, unique
from lamina_detect.recordings._recording import Recording

KIND = "an EDF or BDF file"
# What edfio says of a file that has other data records than its header says.
RECORDS = re.compile(r"indicates (-?\d+) data records, but file contains (\d+)")


def read_edf(path: pathlib.Path, options: ReadOptions) -> Recording:
    """The recording in an EDF or BDF file, in physical units, read as it is needed.

    Signals of the highest rate by default; `columns` chooses others, all of one rate.
    """
    import edfio

    opener = edfio.read_bdf if path.suffix.lower() == ".bdf" else edfio.read_edf
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        file: Any = guarded(path, KIND, lambda: opener(path))
    _refuse_cut(path, " ".join(str(warning.message) for warning in told))
    signals = guarded(path, KIND, lambda: list(file.signals))
    if not signals:
        raise BadInput(f"{path}: holds no signals, annotations alone")
    names = unique([str(signal.label) for signal in signals])
    rates = [guarded(path, KIND, lambda s=s: float(s.sampling_frequency)) for s in signals]
    keep = chosen(path, names, options)
    notes = []
    if len({rates[i] for i in keep}) > 1:
        if options.columns:
            listed = ", ".join(f"{names[i]} {rates[i]:g} Hz" for i in keep)
            raise BadInput(f"{path}: signals of several rates: {listed}; choose those of one")
        highest = max(rates[i] for i in keep)
        left = [i for i in keep if rates[i] != highest]
        keep = [i for i in keep if rates[i] == highest]
        notes += [f"{names[i]}: left out, {rates[i]:g} Hz; --columns chooses it" for i in left]
    notes += _interruptions(path, file)
    return _recording(path, options, [(names[i], signals[i]) for i in keep], rates[keep[0]], notes)


def _refuse_cut(path: pathlib.Path, told: str) -> None:
    found = RECORDS.search(told)
    # -1: the recorder had not finished.
    if found and int(found[2]) < int(found[1]):
        raise BadInput(
            f"{path}: holds {found[2]} data records where its header says {found[1]}: it was cut; "
            "copy it again"
        )


def _interruptions(path: pathlib.Path, file: Any) -> list[str]:
    reserved = str(guarded(path, KIND, lambda: getattr(file, "reserved", "")))
    if reserved.startswith(("EDF+D", "BDF+D")):
        raise BadInput(
            f"{path}: an interrupted recording ({reserved[:5]}), whose pauses cannot be placed; "
            "convert it to a continuous one"
        )
    return []


def _recording(
    path: pathlib.Path,
    options: ReadOptions,
    signals: list[tuple[str, Any]],
    rate: float,
    notes: list[str],
) -> Recording:
    lengths = {guarded(path, KIND, lambda s=s: len(s.digital)) for _, s in signals}
    if len(lengths) > 1 or not np.isfinite(rate) or rate <= 0:
        raise BadInput(f"{path}: signals of {lengths} samples at {rate} Hz: damaged")

    def read(start: int, stop: int) -> np.ndarray:
        return np.stack([_physical(signal, start, stop) for _, signal in signals], 1)

    units = [str(signal.physical_dimension) for _, signal in signals]
    leads = [name for name, _ in signals]
    return in_pieces(
        path, KIND, read, lengths.pop(), options.rate or rate, leads, units, notes=tuple(notes)
    )


def _physical(signal: Any, start: int, stop: int) -> np.ndarray:
    """Physical values, by the two ranges of the header."""
    digital, physical = signal.digital_range, signal.physical_range
    gain = (physical.max - physical.min) / (digital.max - digital.min)
    # As floats first: the digital values fill their integers.
    return (signal.digital[start:stop].astype("float64") - digital.min) * gain + physical.min
