"""A recording as the detector sees it: what it is, and its samples in pieces."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Packing:
    """How frames of bytes hold samples; gain and baseline turn them into physical units."""

    format: int
    channels: int
    frame_bytes: int
    samples_per_frame: int
    gain: Sequence[float]
    baseline: Sequence[float]

    def calibration(self):
        """Gain and baseline as a batch of one."""
        return np.float32([self.gain]), np.float32([self.baseline])


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
        leads, units: One of each a lead.
        length: Samples a lead.
        rate: Samples a second; None where unknown.
        read: `read(start, stop)` gives those samples: floats `(n, leads)`, NaN where there is none;
            with `packing` the frames of bytes `(frames, frame_bytes)`, counted in frames.
        packing: How bytes hold samples; None where `read` gives samples.
        times: A time for each sample (numbers or dates), where the file has them.
        beats: Annotated beats, if any.
        labels: `(length,)` True where the file marks an anomaly, if it does.
    """

    name: str
    leads: Sequence[str]
    units: Sequence[str]
    length: int
    rate: float | None
    read: Callable[[int, int], np.ndarray]
    packing: Packing | None = None
    times: Any = None
    beats: Beats | None = None
    labels: np.ndarray | None = None

    @classmethod
    def from_array(cls, samples, rate=None, leads=None, name="array", **more):
        """A recording of an array `(length,)` or `(length, leads)`."""
        samples = np.asarray(samples)
        samples = samples[:, None] if samples.ndim == 1 else samples
        leads = tuple(leads or (f"lead{i}" for i in range(samples.shape[1])))
        units = more.pop("units", ("",) * len(leads))
        read = lambda start, stop: samples[start:stop].astype("float32")  # noqa: E731
        return cls(name, leads, units, len(samples), rate, read, **more)

    def seconds(self, samples):
        """Positions in seconds, or in samples where the rate is unknown."""
        return np.asarray(samples) / (self.rate or 1)
