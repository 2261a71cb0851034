"""The signal files of a WFDB record: stored bytes, cut into frames or decoded by the layers."""

import dataclasses
import functools

import keras
import numpy as np

import lamina
from lamina_detect._errors import BadInput
from lamina_detect._recording import Packing, Recording
from lamina_detect._samples import samples_of

DIFFERENCES = "8"
PIECE = 1 << 20


@dataclasses.dataclass(frozen=True)
class SignalFile:
    """One file with the signals that lie in it, interleaved; `length` samples each."""

    path: object
    format: str
    length: int
    gain: tuple
    baseline: tuple
    initial: tuple

    @functools.cached_property
    def decoder(self):
        return lamina.PackedSampleDecoder(int(self.format), len(self.gain))

    @property
    def needed(self):
        """Bytes that hold all samples; the last group of some may be cut short."""
        values, of = self.decoder.samples_per_frame * len(self.gain), self.decoder.bytes_per_frame
        return -(-self.length * len(self.gain) * of // values)

    def check_size(self):
        there = self.path.stat().st_size
        if there < self.needed:
            raise BadInput(
                f"{self.path}: {there} bytes, but its header promises {self.length} samples of "
                f"{len(self.gain)} leads: {self.needed} bytes"
            )

    def frames(self, start, stop):
        """Frames `start` to `stop` of the file, the last one filled up with zeros."""
        size = self.decoder.bytes_per_frame
        with self.path.open("rb") as file:
            file.seek(start * size)
            raw = file.read(max(0, min(stop * size, self.needed) - start * size))
        return np.frombuffer(raw + bytes(-len(raw) % size), "uint8").reshape(-1, size)

    @property
    def packing(self):
        each = self.decoder.samples_per_frame
        size = self.decoder.bytes_per_frame
        return Packing(
            int(self.format), len(self.gain), size, each, tuple(self.gain), tuple(self.baseline)
        )


def read_of(files):
    """`(read, packing)` of a `Recording`: as stored where one file in one format holds it all."""
    if len(files) == 1 and files[0].format != DIFFERENCES:
        return files[0].frames, files[0].packing
    each = [_differences(f) if f.format == DIFFERENCES else _packed(f) for f in files]
    return lambda start, stop: np.concatenate([read(start, stop) for read in each], 1), None


def _packed(file):
    names = ("",) * len(file.gain)
    return samples_of(Recording("", names, names, file.length, None, file.frames, file.packing))


def _differences(file):
    """Samples of a file of differences; what comes before a piece is added up once."""
    gain, baseline = file.packing.calibration()
    before = [np.asarray(file.initial, "int64")]
    for start in range(0, file.length - PIECE, PIECE):
        before.append(before[-1] + _sum(file, start, start + PIECE))

    def read(start, stop):
        piece = start // PIECE
        initial = before[piece] + _sum(file, piece * PIECE, start)
        stop = min(stop, file.length)
        y = file.decoder(file.frames(start, stop)[None], gain, baseline, initial[None])
        return keras.ops.convert_to_numpy(y)[0]

    return read


def _sum(file, start, stop):
    return file.frames(start, stop).view("int8").sum(0, dtype="int64")
