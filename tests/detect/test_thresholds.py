"""When an event is an alarm, and how rare a score is."""

import json

import numpy as np
import pytest

import lamina_detect
from lamina_detect import Scores, find_events
from lamina_detect.model import tail_table
from lamina_detect.results import BlockMaxima, Tail, alarm_threshold, causal_threshold, tail_of

WINDOW = 10


def maxima_of(heights):
    maxima = BlockMaxima(1)
    maxima.add(np.asarray(heights, "float64"))
    maxima.close()
    return maxima


def scores_of(score):
    values = np.stack([score, score], 1).astype("float32")
    return Scores(values, np.arange(len(score))[:, None] % 7.0, ("x",), values)


def height(table, value):
    """What the table says of a value."""
    knot, width, slope = table
    return float((np.minimum(np.maximum(value - knot, 0), width) * slope).sum())


def test_the_table_is_the_tail_probability(rng):
    values = rng.exponential(size=5000)
    table = tail_table(values)
    for value in (0.1, 0.5, 1.0, 2.0, 3.5):
        assert height(table, value) == pytest.approx(-np.log((values >= value).mean()), abs=0.05)
    # Beyond all that came it goes on: an exponential's steepness is 1.
    assert height(table, 30.0) == pytest.approx(30, rel=0.25)


def test_mostly_zero_counts_have_a_zero_that_is_usual_and_a_one_that_is_not(rng):
    counts = (rng.random(5000) < 0.005) * 1.0
    table = tail_table(counts)
    assert height(table, 0.0) < 0.01
    assert height(table, 1.0) > 3.9
    assert height(table, 5.0) > height(table, 1.0)
    assert height(tail_table(np.zeros(100)), 0.0) < 0.01


def test_heavy_tails_do_not_make_alarms_of_what_is_usual(rng):
    known, fresh = 2 + rng.pareto(2.5, (2, 5000))
    threshold = causal_threshold(maxima_of(known), 0.01)
    assert (fresh > threshold).mean() < 0.05


def test_where_half_of_the_windows_are_unusual_there_are_alarms_still(rng):
    heights = 1 + rng.exponential(0.2, 1000)
    heights[rng.random(1000) < 0.5] += 6
    assert alarm_threshold(maxima_of(heights)) <= heights.max()


def test_with_too_few_windows_no_rate_is_stated_and_the_highest_events_are_offered(rng):
    # A period of a tenth of the recording.
    score = rng.random(10 * WINDOW)
    score[55] = 20
    maxima = BlockMaxima(WINDOW)
    maxima.add(score)
    maxima.close()
    assert alarm_threshold(maxima) == causal_threshold(maxima) == np.inf
    events = find_events(scores_of(score), WINDOW, np.inf)
    assert events[0].peak == 55 and not any(event.alarm for event in events)


def test_a_quiet_recording_has_no_alarm_below_the_floor(rng):
    assert alarm_threshold(maxima_of(rng.random(1000))) == 3.0
    assert causal_threshold(maxima_of(rng.random(1000))) == 3.0


def test_the_highest_event_is_an_alarm_from_the_floor_on(rng):
    heights = rng.uniform(0.5, 3.0, 40)
    heights[20] = 3.5
    assert tail_of(maxima_of(heights)).exceeded(0.01) > 3.5
    assert alarm_threshold(maxima_of(heights)) == 3.5


def test_rarity_is_the_inverse_of_the_threshold(rng):
    tail = tail_of(maxima_of(rng.exponential(size=2000)))
    for rate in (0.1, 0.01, 1e-4):
        assert tail.one_in(tail.exceeded(rate)) == pytest.approx(1 / rate)
    assert tail.one_in(0.0) == 1 and tail.one_in(1e9) == tail.one_in(1e305) == 1e9
    assert Tail(0.0, 0.0, 50).one_in(1.0) == 1e9


def test_an_alarm_lasts_32_windows_at_most():
    score = np.full(100 * WINDOW, 0.1)
    score[5::WINDOW] = 6 + np.arange(100) / 100
    alarms = sorted(
        (e for e in find_events(scores_of(score), WINDOW, 5.0) if e.alarm), key=lambda e: e.start
    )
    assert [alarm.peak // WINDOW for alarm in alarms] == [32, 65, 98, 99]


@pytest.mark.parametrize(("gap", "between", "alarms"), [(7, 0, 1), (9, 0, 2), (9, 4, 1)])
def test_alarms_of_one_event_are_joined(gap, between, alarms):
    score = np.full(60 * WINDOW, 0.1)
    first, second = 20 * WINDOW + 5, (20 + gap) * WINDOW + 5
    score[first:second] = between or 0.1
    score[first], score[second] = 6, 8
    events = [e for e in find_events(scores_of(score), WINDOW, 5.0) if e.alarm]
    assert len(events) == alarms
    assert events[0].peak == second
    if alarms == 1:
        assert events[0].start <= first and events[0].end > second


def test_what_detect_returns_is_plain_json(tmp_path, rng):
    """Also with hundreds of windows, where a threshold of their own is fitted."""
    x = np.sin(np.arange(6000) * 2 * np.pi / 20) + 0.05 * rng.standard_normal(6000)
    x[3000:3010] = 3
    np.save(tmp_path / "x.npy", x)
    run = lamina_detect.detect(tmp_path / "x.npy", out=tmp_path / "out")
    assert json.loads(json.dumps(run)) == run


def test_events_of_a_score_that_is_never_near_zero_end(rng):
    # As a density's: usual windows score 9, and a threshold of 11 has its half far below them.
    score = 9 + rng.random(5000)
    for place in (1000, 1800, 3000):
        score[place : place + 15] += 5
    events = [e for e in find_events(scores_of(score), WINDOW, 11.0) if e.alarm]
    assert sorted(e.peak // 100 for e in events) == [10, 18, 30]
    assert all(5 <= e.end - e.start <= 15 + 2 * WINDOW for e in events)
