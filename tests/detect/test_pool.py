"""One model from many recordings."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina_detect import BadInput, Detector, Recording
from lamina_detect.model._pool import STRETCH, STRETCHES, pooled
from tests.detect.support import pulses


def recording(seed, length=3000, name=None, **more):
    return Recording.from_array(
        pulses(length, seed=seed).astype("float32"), 100.0, name=name or f"r{seed}", **more
    )


@given(st.permutations(range(5)))
def test_the_order_does_not_matter(order):
    # Two of one name too: told apart by what they hold.
    made = [recording(n, 300, name=f"r{n // 2}") for n in range(5)]
    first, again = pooled(made), pooled(made[n] for n in order)
    assert first.name == again.name
    np.testing.assert_array_equal(first.read(0, first.length), again.read(0, again.length))


def test_each_recording_adds_as_much_and_the_same_to_every_corpus():
    long = [recording(n, 40_000) for n in range(3)]
    alone, all_of_them = pooled(long[1:2]), pooled(long)
    size = STRETCHES * (STRETCH + 1)
    assert alone.length == size and all_of_them.length == 3 * size
    np.testing.assert_array_equal(alone.read(0, size), all_of_them.read(size, 2 * size))
    x = alone.read(0, size)[:, 0]
    assert np.flatnonzero(np.isnan(x)).tolist() == [
        (n + 1) * (STRETCH + 1) - 1 for n in range(STRETCHES)
    ]
    whole = long[1].read(0, 40_000)[:, 0]
    windows = np.lib.stride_tricks.sliding_window_view(whole, STRETCH)
    starts = [
        int(np.flatnonzero((windows == x[n : n + STRETCH]).all(1))[0])
        for n in range(0, size, STRETCH + 1)
    ]
    assert np.all(np.diff(starts) >= STRETCH)


def test_a_short_one_is_taken_whole():
    samples = pooled([recording(0, 500), recording(1, 700)]).read(0, 1202)[:, 0]
    assert np.isnan(samples).sum() == 2
    np.testing.assert_array_equal(samples[:500], recording(0, 500).read(0, 500)[:, 0])


def test_what_does_not_go_together_is_refused_by_name():
    with pytest.raises(BadInput, match=r"r1 has 1 leads at 50\.0"):
        pooled([recording(0), dataclasses.replace(recording(1), rate=50.0)])
    with pytest.raises(BadInput, match="no recording to learn from"):
        Detector().fit([])


@pytest.mark.slow
def test_one_model_for_all_knows_the_usual_of_each():
    detector = Detector(shapes=20).fit(recording(seed) for seed in range(4))
    assert detector.settings["window"] == pytest.approx(90, abs=2)
    odd = Recording.from_array(pulses(3000, odd=(20,), seed=9).astype("float32"), 100.0)
    score = detector.score(odd).together
    assert 20 * 90 <= int(np.nanargmax(score)) < 22 * 90


@pytest.mark.parametrize(
    "given", [None, 3, [1.0, 2.0], "series.csv", [None], np.zeros((2, 3, 4)), [np.zeros((2, 3, 4))]]
)
def test_what_is_no_recording_is_refused_in_one_sentence(given):
    with pytest.raises(BadInput, match=r"`recording` must be a Recording, or an array \(length,\)"):
        Detector().fit(given)


@pytest.mark.slow
def test_arrays_are_recordings_too():
    x = [pulses(2000, seed=n).astype("float32") for n in range(2)]
    of_arrays, of_recordings = (
        Detector(shapes=20).fit(known).score(x[0]).together
        for known in (iter(x), [Recording.from_array(one) for one in x])
    )
    np.testing.assert_array_equal(of_arrays, of_recordings)
