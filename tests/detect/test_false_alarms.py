"""The rate of false alarms that people accept."""

import json
import math

import numpy as np
import pytest

import lamina_detect
from lamina_detect import BadInput
from lamina_detect.results import FalseAlarms
from tests.detect.support import pulses


@pytest.mark.parametrize(
    ("stated", "part"),
    [
        (0.01, 0.01),
        ("0.01", 0.01),
        ("1e-3/window", 1e-3),
        # Windows of 30 s: 2,880 a day.
        ("2/day", 2 / 2880),
        ("2 / day", 2 / 2880),
        ("1/hour", 1 / 120),
        ("1/week", 1 / 20160),
    ],
)
def test_what_is_stated_as_a_part_of_the_windows(stated, part):
    assert FalseAlarms.parse(stated).a_window(window=300, rate=10.0) == pytest.approx(part)


@pytest.mark.parametrize(
    "stated",
    [
        0,
        0.5,
        -1,
        "0/day",
        "-2/day",
        "nan",
        "inf/day",
        "2/month",
        "a lot",
        "",
        "/day",
        "2//day",
        None,
    ],
)
def test_what_is_no_rate_is_refused(stated):
    with pytest.raises(BadInput, match="false_alarms"):
        FalseAlarms.parse(stated)


def test_a_rate_a_day_needs_a_time_axis():
    with pytest.raises(BadInput, match="2/day needs a time axis"):
        FalseAlarms.parse("2/day").a_window(300, None)
    assert FalseAlarms.parse(0.01).a_window(300, None) == 0.01


def test_more_than_every_second_window_is_refused():
    with pytest.raises(BadInput, match=r"2000/day are 0\.694 a window of 30 s"):
        FalseAlarms.parse("2000/day").a_window(300, 10.0)


@pytest.mark.slow
def test_detect_says_the_rate_and_the_model_keeps_how_rare_a_score_is(tmp_path):
    np.save(tmp_path / "x.npy", pulses(4000, odd=(20,)))
    lamina_detect.detect(tmp_path / "x.npy", tmp_path / "a", rate=90.0, false_alarms="60/hour")
    lamina_detect.detect(tmp_path / "x.npy", tmp_path / "b", rate=90.0, false_alarms=0.1)
    runs = [json.loads((tmp_path / name / "run.json").read_text()) for name in "ab"]
    window = runs[0]["settings"]["window"]
    assert runs[0]["false_alarms"] == "60/hour" and runs[1]["false_alarms"] == "0.1"
    assert runs[0]["false_alarms_a_window"] == pytest.approx(window / 90 / 60)
    assert runs[0]["false_alarms_a_day"] == pytest.approx(60 * 24)
    assert runs[1]["false_alarms_a_day"] == pytest.approx(0.1 * 86400 * 90 / window)
    tails = [r["settings"]["tail"] for r in runs]
    assert all(len(t) == 3 and math.isfinite(t[0]) for t in tails)
    # Watched at another rate, the rare one needs the higher score.
    rare, frequent = (thresholds(tmp_path / "a" / "model.keras", r) for r in ("1e-6", "0.4"))
    assert rare > frequent


def thresholds(model, rate):
    """The threshold that `watch` goes by: it stands in every event."""
    found = []
    lines = [f"{v}\n" for v in np.where(np.arange(4000) == 3000, 1e3, pulses(4000))]
    lamina_detect.watch(model, lines, found.append, alarms_only=True, false_alarms=rate)
    events = [json.loads(line) for text in found for line in text.splitlines()]
    return next(e["threshold"] for e in events if "event" in e)
