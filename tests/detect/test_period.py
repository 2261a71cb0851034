"""The period is found, whatever hides it; and where there is none, none is."""

import numpy as np
import pytest
import scipy.signal

from lamina_detect.model._clipping import find_rails
from lamina_detect.model._period import find_period
from tests.detect.support import pulses


@pytest.mark.parametrize("period", [24, 90, 300])
def test_period_is_found_whatever_the_level_and_scale(period):
    x = 1000 + 7 * pulses(12_000, period)
    assert abs(find_period(x) - period) <= 1


@pytest.mark.parametrize("hidden_by", ["noise", "wander"])
@pytest.mark.parametrize("sign", [[1], [-1, 1]])
@pytest.mark.parametrize("period", [60, 150, 300])
def test_period_is_found_of_uneven_beats(period, sign, hidden_by, rng):
    """Short beats of any height, now early, now late, each with a second, slower wave."""
    places = np.cumsum(period * (1 + 0.08 * rng.standard_normal(200)))
    heights = rng.choice(sign, 200) * rng.uniform(0.7, 1.5, 200)
    t = np.arange(int(places[-1]))
    bump = lambda place, width: np.exp(-(((t - place) / width) ** 2))  # noqa: E731
    x = rng.standard_normal(len(t))
    x = 0.2 * x if hidden_by == "noise" else 0.03 * np.cumsum(x)
    for place, height in zip(places, heights, strict=True):
        x += height * (bump(place, 0.02 * period) + 0.3 * bump(place + 0.3 * period, 0.07 * period))
    assert find_period(x) == pytest.approx(period, rel=0.1)


@pytest.mark.parametrize("memory", [0, 0.5, 0.9])
def test_noise_has_no_period(memory):
    noise = np.random.default_rng(0).standard_normal(20_000)
    assert find_period(scipy.signal.lfilter([1], [1, -memory], noise)) is None


def test_a_common_lowest_value_is_no_clipping():
    x = np.maximum(0, pulses(5000) - 0.5)
    assert find_rails(x, 10)[0] == -np.inf
