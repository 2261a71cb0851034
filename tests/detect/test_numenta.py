"""Numenta's score against its published formula, by hand."""

import numpy as np
import pytest

from benchmarks.detection import _numenta
from benchmarks.detection.online import begins
from lamina_detect.results import Tail

# A window from 400 to 499 of a thousand rows; 150 are not judged.
Y = np.zeros(1000, bool)
Y[400:500] = True


def score(*detections):
    return _numenta.normalised([_numenta.of_file(Y, detections)])


def test_the_curve_has_the_published_values():
    # nab/sweeper.py says: .98661 at the left edge, .84828 half way, 0 at the right edge.
    assert _numenta.sigmoid(-1) == pytest.approx(0.98661, abs=1e-5)
    assert _numenta.sigmoid(-0.5) == pytest.approx(0.84828, abs=1e-5)
    assert _numenta.sigmoid(0) == 0
    assert _numenta.sigmoid(1) == pytest.approx(-0.98661, abs=1e-5)
    assert _numenta.sigmoid(3) == -1


def test_perfect_is_100_and_nothing_is_0():
    assert score(400) == pytest.approx(100)
    assert score() == 0
    # The first one counts, and those before are not judged.
    assert score(400, 450, 499) == pytest.approx(100)
    assert score(10, 149, 400) == pytest.approx(100)


def test_late_and_false_detections_cost():
    half = 2 / (1 + np.exp(-2.5)) - 1
    assert score(450) == pytest.approx(100 * (1 + half / 0.98661) / 2, abs=1e-3)
    # Before the window: as false as can be, .11 of what a window is worth.
    assert score(200) == pytest.approx(-100 * 0.11 / 2)
    # 33 rows after the right edge, a third of the window's 99 steps.
    worth = 0.11 * (2 / (1 + np.exp(5 / 3)) - 1)
    assert score(400, 532) == pytest.approx(100 + 100 * worth / 2)


def test_a_second_window_is_measured_from_itself():
    y = Y.copy()
    y[700:800] = True
    value, windows = _numenta.of_file(y, [400, 700])
    assert value == pytest.approx(2) and windows == 2


def test_probation_ends_at_750_rows():
    assert _numenta.probation(1000) == 150 and _numenta.probation(20_000) == 750


def test_an_alarm_counts_where_it_begins():
    x = np.array([0, 5, 5, 3, 5, 0, 0, 5, 0, 0, 0, 5, 3, 3, 3], float)
    assert begins(x, 4, 1, 3) == [1, 11]
    assert begins(x, 4, 1, 2) == [1, 7, 11]
    assert begins(np.full(5, 3.0), 4, 1, 1) == []
    # Usual windows reach 3.5: what lies below that is quiet.
    assert begins(x, 4, 1, 1, Tail(1.0, 3.5, 100)) == [1, 4, 7, 11]
