"""A recording as the detector sees it: what it is, and its samples in pieces."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Read = Callable[[int, int], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Packing:
    """How frames of bytes hold samples; gain and baseline turn them into physical units."""

    format: int
    channels: int
    frame_bytes: int
    samples_per_frame: int
    gain: Sequence[float]
    baseline: Sequence[float]

    def calibration(self) -> tuple[np.ndarray, np.ndarray]:
        """Gain and baseline as a batch of one."""
        return np.array([self.gain], "float32"), np.array([self.baseline], "float32")


@dataclasses.dataclass(frozen=True)
class Beats:
    """Labelled beats: sample positions, and which are anomalous. For judging results only."""

    samples: np.ndarray
    anomalous: np.ndarray


@dataclasses.dataclass(frozen=True)
class Recording:
    """Samples of one or more leads at one rate, read piece by piece.

    Args:
        name: For people.
        leads, units: One of each per lead.
        length: Samples per lead.
        rate: Samples per second; None where unknown.
        read: `read(start, stop)` gives those samples: floats `(n, leads)`, NaN where there is none.
        packing: How stored bytes hold samples; None where a model cannot decode them.
        times: A time for each sample (numbers or dates), where the file has them.
        beats: Annotated beats, if any.
        labels: `(length,)` True where the file marks an anomaly, if it does.
        frames: With `packing`: `frames(start, stop)` gives the bytes as they are stored, frames
            `(n, frame_bytes)`, counted in frames.
        notes: What people should know about how the file was read, a sentence each.
    """

    name: str
    leads: Sequence[str]
    units: Sequence[str]
    length: int
    rate: float | None
    read: Read
    packing: Packing | None = None
    times: Any = None
    beats: Beats | None = None
    labels: np.ndarray | None = None
    frames: Read | None = None
    notes: Sequence[str] = ()

    @classmethod
    def from_array(
        cls,
        samples: Any,
        rate: float | None = None,
        leads: Sequence[str] | None = None,
        name: str = "array",
        **more: Any,
    ) -> "Recording":
        """A recording of an array `(length,)` or `(length, leads)`."""
        samples = np.asarray(samples)
        samples = samples[:, None] if samples.ndim == 1 else samples
        leads = tuple(leads or (f"lead{i}" for i in range(samples.shape[1])))
        units = more.pop("units", ("",) * len(leads))

        def read(start: int, stop: int) -> np.ndarray:
            # A piece at a time: the array may be a file mapped into memory.
            return samples[start:stop].astype("float32")

        return cls(name, leads, units, len(samples), rate, read, **more)

    def seconds(self, samples: Any) -> np.ndarray:
        """Positions in seconds, or in samples where the rate is unknown."""
        return np.asarray(samples) / (self.rate or 1)


def filled(x: np.ndarray) -> np.ndarray:
    """`x` with the last valid sample where there is none."""
    there = np.isfinite(x)
    last = np.maximum.accumulate(np.where(there, np.arange(len(x)), 0))
    first = x[np.argmax(there)]
    return np.where(there[last], x[last], first)
