"""WAV, FLAC and AIFF files."""

import pathlib
import re
from typing import Any

import numpy as np

from lamina_detect._common import BadInput
from lamina_detect.recordings._options import ReadOptions
from lamina_detect.recordings._pieces import chosen, guarded, in_pieces
from lamina_detect.recordings._recording import Recording

KIND = "a WAV, FLAC or AIFF file"
# A compressed file may say that it is of any length.
LONGEST = 1 << 40
# What libsndfile finds of a file that is shorter than its header says; a stream's header says that
# it is of any length.
SHORTER = re.compile(r"(?im)^\s*(?:data|SSND|Riff size)\s*: (\d+) \(should be (\d+)\)")
ANY_LENGTH = 0x7FFF0000


def read_audio(path: pathlib.Path, options: ReadOptions) -> Recording:
    """The recording in an audio file: values from -1 to 1, read as they are needed."""
    import soundfile

    info: Any = guarded(path, KIND, lambda: soundfile.info(str(path)))
    if not 0 < info.frames < LONGEST or info.samplerate <= 0 or not 0 < info.channels <= 1000:
        raise BadInput(
            f"{path}: {info.frames} samples of {info.channels} channels at {info.samplerate} Hz: "
            "not a recording, or cut"
        )
    if (found := SHORTER.search(info.extra_info)) and int(found[2]) < int(found[1]) < ANY_LENGTH:
        raise BadInput(
            f"{path}: holds {int(found[2]):,} bytes of samples where its header says "
            f"{int(found[1]):,}: it was cut; copy it again"
        )
    names = [f"channel{i}" for i in range(info.channels)]
    keep = chosen(path, names, options)

    def read(start: int, stop: int) -> np.ndarray:
        samples, _ = soundfile.read(str(path), stop - start, start, dtype="float32", always_2d=True)
        if len(samples) != stop - start:
            raise BadInput(f"{path}: ends at sample {start + len(samples)}, before its header says")
        # What is stored as floats may be infinite.
        return np.where(np.isfinite(samples), samples, np.nan)[:, keep]

    leads = [names[i] for i in keep]
    length, rate = int(info.frames), options.rate or float(info.samplerate)
    recording = in_pieces(path, KIND, read, length, rate, leads, [""] * len(leads))
    recording.read(length - 1, length)  # The end is there.
    return recording
