"""The signal files of a WFDB record: stored bytes, cut into frames and decoded by the layer."""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lamina_detect._common import BadInput
from lamina_detect.recordings._recording import Packing

if TYPE_CHECKING:
    import lamina

DIFFERENCES = "8"


@dataclasses.dataclass(frozen=True)
class SignalFile:
    """One file with the signals that lie in it, interleaved; `length` samples each.

    `initial` are the signals' first samples, by the header.
    """

    path: pathlib.Path
    format: str
    length: int
    gain: Sequence[float]
    baseline: Sequence[float]
    initial: Sequence[int]

    @functools.cached_property
    def decoder(self) -> "lamina.PackedSampleDecoder":
        """The layer that decodes the file; the model of the recording begins with its like."""
        # Here, and not above: no other reader needs keras.
        import lamina

        return lamina.PackedSampleDecoder(int(self.format), len(self.gain))

    @property
    def packing(self) -> Packing:
        return Packing(
            format=int(self.format),
            channels=len(self.gain),
            frame_bytes=self.decoder.bytes_per_frame,
            samples_per_frame=self.decoder.samples_per_frame,
            gain=tuple(self.gain),
            baseline=tuple(self.baseline),
        )

    @property
    def needed(self) -> int:
        """Bytes that hold all samples; the last group of some may be cut short."""
        values = self.decoder.samples_per_frame * len(self.gain)
        return -(-self.length * len(self.gain) * self.decoder.bytes_per_frame // values)

    def check_size(self) -> None:
        """BadInput if the file is shorter than the header says."""
        there = self.path.stat().st_size
        if there < self.needed:
            raise BadInput(
                f"{self.path}: {there} bytes, but its header promises {self.length} samples of "
                f"{len(self.gain)} leads: {self.needed} bytes"
            )

    def frames(self, start: int, stop: int) -> np.ndarray:
        """Frames `start` to `stop` of the file, the last one filled up with zeros."""
        size = self.decoder.bytes_per_frame
        with self.path.open("rb") as file:
            file.seek(start * size)
            raw = file.read(max(0, min(stop * size, self.needed) - start * size))
        return np.frombuffer(raw + bytes(-len(raw) % size), "uint8").reshape(-1, size)

    def samples(self, start: int, stop: int) -> np.ndarray:
        """Samples `start` to `stop` `(n, signals)` in physical units, NaN where there is none."""
        each = self.decoder.samples_per_frame
        samples = self._decoded(self.frames(start // each, -(-stop // each)))
        return samples[start % each :][: stop - start]

    def _decoded(self, frames: np.ndarray, initial: np.ndarray | None = None) -> np.ndarray:
        from keras import ops

        gain, baseline = self.packing.calibration()
        samples = self.decoder(frames[None], gain=gain, baseline=baseline, initial=initial)
        return np.asarray(ops.convert_to_numpy(samples))[0]


@dataclasses.dataclass(frozen=True)
class DifferencesFile(SignalFile):
    """A file of differences: a sample is the sum of all before it, which is kept for each piece."""

    piece: int

    def samples(self, start: int, stop: int) -> np.ndarray:
        """As of any file, from the nearest sum before `start`."""
        number = start // self.piece
        initial = self._before[number] + self._sum(number * self.piece, start)
        return self._decoded(self.frames(start, min(stop, self.length)), initial[None])

    @functools.cached_property
    def _before(self) -> list[np.ndarray]:
        """The sample before each piece of the file."""
        before = [np.asarray(self.initial, "int64")]
        for start in range(0, self.length - self.piece, self.piece):
            before.append(before[-1] + self._sum(start, start + self.piece))
        return before

    def _sum(self, start: int, stop: int) -> np.ndarray:
        return self.frames(start, stop).view("int8").sum(0, dtype="int64")
