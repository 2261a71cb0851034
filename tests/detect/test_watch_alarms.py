"""When an alarm begins, and when it has ended."""

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lamina_detect.live._alarms import AlarmRule

THRESHOLD, LOWER, CALM, LONGEST = 4.0, 2.0, 3, 9
NAN = float("nan")


def changes_of(score, cut=None, rule=None):
    """The changes, of scores that come in pieces of `cut`."""
    rule = rule or AlarmRule(THRESHOLD, LOWER, CALM, LONGEST, ("x",))
    scores, found = np.stack([score, score], 1).astype("float64"), []
    for first in range(0, len(score), cut or max(len(score), 1)):
        piece = scores[first : first + (cut or len(score))]
        stamps = [f"t{first + i}" for i in range(len(piece))]
        found += rule.add(first, piece, stamps)
        # Through its state, as after a kill.
        again = AlarmRule(THRESHOLD, LOWER, CALM, LONGEST, ("x",))
        again.load_state(json.loads(json.dumps(rule.state)))
        rule = again
    return found


def slow(score):
    """The rule as its words say, a sample at a time: `(ended, known at, start, peak, end)`."""
    found, start, quiet = [], None, 0
    for i, s in enumerate(score):
        if start is None:
            if s >= THRESHOLD:
                start, peak, quiet = i, i, 0
                found.append((False, i, start, peak, None))
        else:
            quiet = 0 if s >= LOWER else quiet + 1
            peak = i if s > score[peak] else peak
        if start is not None and (quiet == CALM or i + 1 - start == LONGEST):
            found.append((True, i, start, peak, i + 1 - quiet))
            start = None
    return found


@given(
    st.lists(st.sampled_from([0.0, 1.9, 2.0, 3.0, 4.0, 5.0, 6.0, NAN]), max_size=40),
    st.integers(1, 9),
)
def test_is_the_rule_however_the_scores_are_cut(score, cut):
    whole, pieces = changes_of(np.array(score)), changes_of(np.array(score), cut)
    assert whole == pieces
    got = [(c.ended, c.sample, c.alarm.start, c.alarm.peak, c.alarm.end) for c in whole]
    # While it lasts, an alarm's end is a guess.
    assert [(e, s, a, p, end if e else None) for e, s, a, p, end in got] == slow(score)


def test_the_times_are_those_of_start_peak_and_end():
    begun, ended = changes_of(np.array([0, 4, 6, 3, 1, 1, 1, 0.0]))
    assert (begun.alarm.start_stamp, begun.alarm.peak_stamp) == ("t1", "t1")
    alarm = ended.alarm
    assert (alarm.start_stamp, alarm.peak_stamp, alarm.end_stamp) == ("t1", "t2", "t4")


def test_the_lead_is_the_highest_at_the_peak():
    rule = AlarmRule(THRESHOLD, LOWER, CALM, LONGEST, ("x", "y"))
    scores = np.array([[NAN, 5, 5], [9, 1, 6], [0, 0, 0], [0, 0, 0], [0, 0, 0]])
    begun, ended = rule.add(0, scores, [None] * 5)
    assert (begun.alarm.lead, ended.alarm.lead) == ("y", "x")


def test_without_a_threshold_there_is_no_alarm():
    rule = AlarmRule(float("inf"), LOWER, CALM, LONGEST, ("x",))
    assert rule.add(0, np.full((9, 2), 1e9), [None] * 9) == []
