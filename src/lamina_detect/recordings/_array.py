"""What readers of arrays share: which one is meant, and that it can be a recording."""

import dataclasses
import math
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from lamina_detect._common import BadInput
from lamina_detect.recordings._options import ReadOptions
from lamina_detect.recordings._recording import Recording
from lamina_detect.recordings._table import LeadScan

# Samples that are looked at together: memory does not grow with the file.
PIECE = 1 << 20
# More is an array whose time is not the first axis.
MOST_LEADS = 1000
# What people call the samples per second that they store beside them.
RATES = (
    "sampling_rate sample_rate samplingrate samplerate sampling_frequency samplingfrequency "
    "rate fs sfreq sf"
).split()


def the_member(
    path: pathlib.Path, shapes: Mapping[str, tuple[int, ...]], options: ReadOptions
) -> str:
    """The member that the user named; or the only one that could be a recording."""
    could = [name for name, shape in shapes.items() if 1 <= len(shape) <= 2 and max(shape) > 1]
    listed = ", ".join(could[:20]) or "none that holds numbers"
    if options.member is None:
        if len(could) == 1:
            return could[0]
        raise BadInput(f"{path}: holds {len(could)} arrays: {listed}; name one: {path.name}:NAME")
    name = options.member.strip("/")
    found = next((known for known in shapes if known.strip("/") == name), None)
    if found is None:
        raise BadInput(f"{path}: no array {options.member!r}; it has {listed}")
    return found


def from_samples(
    path: pathlib.Path, array: Any, name: str, options: ReadOptions, **more: Any
) -> Recording:
    """A recording of an array `(length,)` or `(length, leads)`, which is read as it is needed."""
    if array.dtype.kind not in "iuf" or array.ndim not in (1, 2) or 0 in array.shape:
        raise BadInput(
            f"{path}: must hold numbers (length,) or (length, leads); it holds {array.dtype} "
            f"{array.shape}"
        )
    if math.prod(array.shape[1:]) > MOST_LEADS:
        raise BadInput(f"{path}: {array.shape[1]} leads; time is the first axis")
    if len(array) < 2:
        raise BadInput(f"{path}: holds {len(array)} sample; a recording has at least two")
    _check_finite(path, array)
    more["rate"] = options.rate or more.get("rate")
    return without_missing(path, Recording.from_array(array, name=name, **more), options)


def rate_among(values: Mapping[str, Any]) -> float | None:
    """Samples per second, where one of these has a name that says so, and is one number."""
    named = {name.casefold(): value for name, value in values.items()}
    for name in RATES:
        try:
            rate = float(np.asarray(named[name]).reshape(-1)[0])
        except (KeyError, ValueError, TypeError, IndexError):  # not there, or of another kind
            continue
        if math.isfinite(rate) and rate > 0:
            return rate
    return None


def without_missing(path: pathlib.Path, recording: Recording, options: ReadOptions) -> Recording:
    """The recording with NaN for numbers that mean "no measurement", as in tables."""
    scans = [LeadScan(path, lead, options) for lead in recording.leads]
    rows = max(1, PIECE // len(scans))
    for start in range(0, recording.length, rows):
        for scan, lead in zip(scans, recording.read(start, start + rows).T, strict=True):
            scan.add(lead)
    notes = list(recording.notes)
    missing = [np.array(scan.missing(notes), "float32") for scan in scans]
    if not any(map(len, missing)):
        return recording

    def read(start: int, stop: int) -> np.ndarray:
        x = recording.read(start, stop)
        there = [np.isin(lead, own) for lead, own in zip(x.T, missing, strict=True)]
        return np.where(np.stack(there, 1), np.float32(np.nan), x)

    return dataclasses.replace(recording, read=read, notes=tuple(notes))


def _check_finite(path: pathlib.Path, array: Any) -> None:
    if array.dtype.kind != "f":
        return
    for start in range(0, len(array), PIECE):
        infinite = np.isinf(array[start : start + PIECE])
        if infinite.any():
            row = start + int(np.argwhere(infinite)[0][0])
            raise BadInput(
                f"{path}: infinite at sample {row}; write NaN where there is no measurement"
            )
