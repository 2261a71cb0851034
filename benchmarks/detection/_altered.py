"""The ECG records as other recorders would have stored them: sampled otherwise, with noise."""

import dataclasses
from collections.abc import Callable
from fractions import Fraction

import numpy as np
from scipy import signal

from benchmarks.detection._series import first_lead
from lamina_detect import Recording

Alteration = Callable[[np.ndarray, float, np.random.Generator], tuple[np.ndarray, float]]
"""`(x, rate, rng)` to the altered `(x, rate)`."""


def resampled(rate: float) -> Alteration:
    def change(x: np.ndarray, old: float, rng: np.random.Generator) -> tuple[np.ndarray, float]:
        ratio = Fraction(rate, round(old))
        return signal.resample_poly(x, ratio.numerator, ratio.denominator), rate

    return change


def noisy(noise: Callable[[int, float, np.random.Generator], np.ndarray]) -> Alteration:
    """With `noise(length, rate, rng)` added."""
    return lambda x, rate, rng: (x + noise(len(x), rate, rng), rate)


def white(millivolts: float) -> Alteration:
    return noisy(lambda length, rate, rng: millivolts * rng.standard_normal(length))


def muscle(millivolts: float) -> Alteration:
    """Noise of 20 to 100 Hz that comes and goes."""

    def noise(length: int, rate: float, rng: np.random.Generator) -> np.ndarray:
        strength = np.abs(_band(length, rate, 0.02, 0.1, rng))
        return millivolts * strength * _band(length, rate, 20, 100, rng)

    return noisy(noise)


def wander(millivolts: float) -> Alteration:
    """The electrode's, of 0.05 to 0.5 Hz."""
    return noisy(lambda length, rate, rng: millivolts * _band(length, rate, 0.05, 0.5, rng))


def _band(
    length: int, rate: float, low: float, high: float, rng: np.random.Generator
) -> np.ndarray:
    """Noise between two frequencies, of standard deviation 1."""
    sections = signal.butter(2, [low, high], "band", fs=rate, output="sos")
    x = signal.sosfilt(sections, rng.standard_normal(length))
    return x / x.std()


ALTERATIONS: dict[str, Alteration] = {
    "as it is": lambda x, rate, rng: (x, rate),
    "upside down": lambda x, rate, rng: (-x, rate),
    **{f"{rate} samples per second": resampled(rate) for rate in (100, 128, 250, 500, 1000)},
    **{f"white noise, {level} mV": white(level) for level in (0.1, 0.2)},
    "muscle noise, 0.2 mV": muscle(0.2),
    **{f"wander, {level} mV": wander(level) for level in (0.2, 0.5)},
}


def altered(recording: Recording, name: str, seed: int = 0) -> Recording:
    """The recording's first lead, altered, with its beats."""
    rng = np.random.default_rng(seed)
    x, rate = ALTERATIONS[name](first_lead(recording), recording.rate, rng)
    places = np.round(recording.beats.samples * (rate / recording.rate)).astype(int)
    beats = type(recording.beats)(places, recording.beats.anomalous)
    new = Recording.from_array(x[:, None].astype("float32"), rate=float(rate))
    return dataclasses.replace(new, beats=beats)
