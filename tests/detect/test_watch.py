"""Samples as they come: the offline scores, and a state that survives."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from lamina_detect import BadInput, Detector, Watch, watch
from tests.detect.support import pulses


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.keras"
    detector = Detector(shapes=20).fit(pulses(3000, odd=(20,)))
    # Between the usual beats' causal scores and the odd beat's.
    detector.threshold = 4.0
    detector.save(path)
    return path


def lines_of(x):
    return [f"{v!r}\n" for v in x.astype("float32").tolist()]


def run(model, lines, state=None, block=64, **options):
    written = []
    watch(model, lines, written.append, state, block=block, **options)
    return [json.loads(line) for line in "".join(written).splitlines()]


def scores_of(messages):
    return {m["sample"]: m["score"] for m in messages if "score" in m}


def test_watched_scores_are_the_offline_scores(model):
    x = pulses(3000, odd=(20,)).astype("float32")
    detector = Detector.load(model)
    messages = run(model, lines_of(x), block=4096)
    watched = np.array(list(scores_of(messages).values()), "float32")
    assert np.array_equal(watched, detector.score(x).causal)
    alarms = [t["sample"] for t in messages if t.get("alarm")]
    assert alarms and all(20 * 90 <= sample < 23 * 90 for sample in alarms)


def test_started_again_it_goes_on_bit_equal(model, tmp_path):
    lines = lines_of(pulses(1000))
    unbroken = scores_of(run(model, lines))
    state = tmp_path / "state"
    first = run(model, lines[:500], state)
    acknowledged = [t["ack"] for t in first if "ack" in t]
    # Within a block, and everything that came.
    assert acknowledged[0] == 0 and acknowledged[-1] == 500
    again = run(model, lines[500:], state)
    assert again[0] == {"ack": 500}
    assert {**scores_of(first), **scores_of(again)} == unbroken
    assert scores_of(again) == {k: v for k, v in unbroken.items() if k >= 500}


@pytest.mark.slow
def test_samples_that_come_slowly_are_scored_and_acknowledged_at_once(model, tmp_path):
    messages, samples = [], lines_of(pulses(200))

    def trickle():
        yield from samples[:100]
        wait_for(lambda: sum("score" in line for line in messages) >= 100)
        yield from samples[100:]

    def wait_for(condition):
        until = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < until, "nothing was written while no sample came"
            time.sleep(0.01)

    def write(text):
        messages.extend(json.loads(line) for line in text.splitlines())

    watch(model, trickle(), write, tmp_path / "state", block=64)
    assert [t["sample"] for t in messages if "score" in t] == list(range(200))
    before = [t["sample"] for t in messages[: messages.index({"ack": 100})] if "score" in t]
    assert max(before) == 99


def test_a_gap_has_no_score(model):
    lines = lines_of(pulses(600))
    lines[500] = "\n"
    messages = run(model, lines)
    assert messages[500]["score"] is not None and messages[501]["score"] is None


@pytest.mark.slow
def test_a_state_of_another_model_is_refused(model, tmp_path):
    other = Detector(shapes=20, seed=1).fit(pulses(3000))
    Watch(other, 64).save(tmp_path / "state")
    with pytest.raises(BadInput, match="the state of another model"):
        run(model, [], tmp_path / "state")


def test_what_is_no_state_is_refused(model, tmp_path):
    (tmp_path / "state").write_bytes(b"PK nothing")
    with pytest.raises(BadInput, match="not a state file"):
        run(model, [], tmp_path / "state")


@pytest.mark.parametrize(
    ("line", "reason"),
    [("1,2\n", "2 numbers for 1 leads"), ("x", "not numb"), ("0.1, ", "2 numbers"), ("inf", "inf")],
)
def test_strictly_a_line_that_is_no_sample_is_refused(model, line, reason):
    with pytest.raises(BadInput, match=reason):
        run(model, [line], strict=True)


@pytest.mark.slow
def test_a_line_that_is_no_sample_is_reported_and_skipped(model):
    lines = lines_of(pulses(300))
    bad = {10: "1,2\n", 100: "no number\n", 200: "1e99\n"}
    broken = list(lines)
    for place, line in bad.items():
        broken.insert(place, line)
    messages = run(model, broken)
    assert scores_of(messages) == scores_of(run(model, lines))
    assert [m["line"] for m in messages if "error" in m] == [11, 101, 201]


@pytest.mark.long
def test_killed_at_any_moment_it_goes_on_bit_equal(model, tmp_path):
    lines = lines_of(pulses(20_000))
    unbroken = scores_of(run(model, lines))
    state, seen, start = tmp_path / "state", {}, 0
    for kill_after in (500, 3000, 9000, None):
        command = [sys.executable, "-m", "lamina_cli", "watch", str(model)]
        command += ["--state", str(state), "--block", "64"]
        (tmp_path / "in").write_text("".join(lines[start:]))
        with (
            (tmp_path / "in").open() as fed,
            subprocess.Popen(command, stdin=fed, stdout=subprocess.PIPE, text=True) as process,
        ):
            for count, line in enumerate(process.stdout):
                if count == kill_after:
                    os.kill(process.pid, signal.SIGKILL)
                    break
                got = json.loads(line)
                start = got.get("ack", start)
                if "score" in got:
                    assert seen.setdefault(got["sample"], got["score"]) == got["score"]
    assert seen == unbroken
