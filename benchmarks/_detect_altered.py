"""The ECG records as other recorders would have stored them: sampled otherwise, with noise."""

import dataclasses
from fractions import Fraction

import numpy as np
from scipy import signal

from benchmarks._detect_series import first_lead
from lamina_detect import Recording


def resampled(rate):
    def change(x, old, rng):
        ratio = Fraction(rate, round(old))
        return signal.resample_poly(x, ratio.numerator, ratio.denominator), rate

    return change


def upside_down(x, rate, rng):
    return -x, rate


def white(millivolts):
    def change(x, rate, rng):
        return x + millivolts * rng.standard_normal(len(x)), rate

    return change


def muscle(millivolts):
    """Noise of 20 to 100 Hz that comes and goes."""

    def change(x, rate, rng):
        strength = np.abs(_band(len(x), rate, 0.02, 0.1, rng))
        return x + millivolts * strength * _band(len(x), rate, 20, 100, rng), rate

    return change


def wander(millivolts):
    """The electrode's, of 0.05 to 0.5 Hz."""

    def change(x, rate, rng):
        return x + millivolts * _band(len(x), rate, 0.05, 0.5, rng), rate

    return change


def _band(length, rate, low, high, rng):
    """Noise between two frequencies, of standard deviation 1."""
    sections = signal.butter(2, [low, high], "band", fs=rate, output="sos")
    x = signal.sosfilt(sections, rng.standard_normal(length))
    return x / x.std()


ALTERATIONS = {
    "as it is": lambda x, rate, rng: (x, rate),
    "upside down": upside_down,
    **{f"{rate} samples a second": resampled(rate) for rate in (100, 128, 250, 500, 1000)},
    **{f"white noise, {level} mV": white(level) for level in (0.1, 0.2)},
    "muscle noise, 0.2 mV": muscle(0.2),
    **{f"wander, {level} mV": wander(level) for level in (0.2, 0.5)},
}


def altered(recording, name, seed=0):
    """The recording's first lead, altered, with its beats."""
    rng = np.random.default_rng(seed)
    x, rate = ALTERATIONS[name](first_lead(recording), recording.rate, rng)
    places = np.round(recording.beats.samples * (rate / recording.rate)).astype(int)
    beats = type(recording.beats)(places, recording.beats.anomalous)
    new = Recording.from_array(x[:, None].astype("float32"), rate=float(rate))
    return dataclasses.replace(new, beats=beats)
