"""Alarms of whole recordings of the kinds that make too many of them, or none."""

import numpy as np
import pytest

from lamina_detect import Detector, Recording, find_events, read
from lamina_detect.results import BlockMaxima, alarm_threshold
from tests.detect.support import pulses

pytestmark = [pytest.mark.slow, pytest.mark.tensorflow]


def alarms_of(x):
    """The alarms, the events, the window, and how many windows there are."""
    scores = (detector := Detector().fit(x)).score(x)
    window = detector.settings["window"]
    maxima = BlockMaxima(window)
    maxima.add(scores.together)
    maxima.close()
    events = find_events(scores, window, alarm_threshold(maxima))
    length = x.length if isinstance(x, Recording) else len(x)
    return [e for e in events if e.alarm], events, window, length / window


def near(events, start, stop, window):
    return [e for e in events if e.start < stop + window and e.end > start - window]


def test_counts_that_are_mostly_zero(rng):
    x = rng.poisson(0.02, 8000).astype("float32")
    x[6000:6020] = rng.poisson(4, 20)
    alarms, events, window, windows = alarms_of(x)
    assert near(events[:1], 6000, 6020, window)
    assert near(alarms, 6000, 6020, window)
    # The stated rate, and the one that is there.
    assert len(alarms) <= 1 + 0.02 * windows


def test_heavy_tails(rng):
    """Student's t of two degrees of freedom: a variance that is infinite."""
    x = np.convolve(rng.standard_t(2, 8000), [1, 0.5, 0.25], "same").astype("float32")
    alarms, _, _, windows = alarms_of(x)
    assert len(alarms) <= 0.02 * windows


def test_a_period_of_a_tenth_of_the_recording():
    """No rate can be stated, and the highest event is the anomaly all the same."""
    x = pulses(4000, period=400, noise=0.02)
    x[2500:2600] += 1.0
    alarms, events, window, windows = alarms_of(x)
    assert windows < 30 and not alarms
    assert near(events[:1], 2500, 2600, window)


def test_a_record_of_which_half_of_the_windows_is_unusual(recordings):
    """106: a quarter of its beats are ventricular, and half of its windows hold one."""
    record = read(recordings / "mitdb" / "106")
    alarms, _, window, windows = alarms_of(record)
    anomalous = record.beats.samples[record.beats.anomalous]
    right = [a for a in alarms if np.abs(anomalous - a.peak).min() <= window]
    assert len(alarms) > 50 and len(right) >= 0.9 * len(alarms)
    assert len(alarms) - len(right) <= 0.02 * windows
