"""DICOM waveforms."""

import pathlib
from typing import Any

import numpy as np

from lamina_detect._common import BadInput
from lamina_detect.recordings._options import ReadOptions
from lamina_detect.recordings._pieces import chosen, guarded, in_pieces, unique
from lamina_detect.recordings._recording import Recording

KIND = "a DICOM file"


def read_dicom(path: pathlib.Path, options: ReadOptions) -> Recording:
    """The first multiplex group of a DICOM waveform: values and units as pydicom gives them."""
    import pydicom

    data: Any = guarded(path, KIND, lambda: pydicom.dcmread(path))
    groups = guarded(path, KIND, lambda: list(data.get("WaveformSequence") or ()))
    if not groups:
        raise BadInput(f"{path}: a DICOM file without a waveform")
    group = groups[0]
    samples = guarded(path, KIND, lambda: np.asarray(data.waveform_array(0), "float32"))
    rate = guarded(path, KIND, lambda: float(group.SamplingFrequency))
    if samples.ndim != 2 or not np.isfinite(rate) or rate <= 0:
        raise BadInput(f"{path}: {samples.shape} samples at {rate} Hz: damaged")
    channels = guarded(path, KIND, lambda: list(group.ChannelDefinitionSequence))
    names = unique([guarded(path, KIND, lambda c=c: _name(c)) for c in channels])
    units = [guarded(path, KIND, lambda c=c: _unit(c)) for c in channels]
    keep = chosen(path, names, options)
    several = f"the first of {len(groups)} multiplex groups" if len(groups) > 1 else ""
    return in_pieces(
        path,
        KIND,
        lambda start, stop: samples[start:stop, keep],
        len(samples),
        options.rate or rate,
        [names[i] for i in keep],
        [units[i] for i in keep],
        notes=(several,) if several else (),
    )


def _name(channel: Any) -> str:
    label = str(channel.get("ChannelLabel") or "").strip()
    source = channel.get("ChannelSourceSequence")
    return label or (str(source[0].get("CodeMeaning") or "") if source else "")


def _unit(channel: Any) -> str:
    units = channel.get("ChannelSensitivityUnitsSequence")
    return str(units[0].get("CodeValue") or "") if units else ""
