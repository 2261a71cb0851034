"""What `watch` writes beside the scores, and that a restart changes none of it."""

import dataclasses
import json
import signal
import subprocess
import sys
import threading
import types

import numpy as np
import pytest

from lamina_detect import BadInput, Detector, watch
from lamina_detect.live._alarms import AlarmRule
from lamina_detect.live._json_lines import JsonLines
from lamina_detect.live._lines import LineParser
from lamina_detect.live._session import Session
from lamina_detect.live._sinks import Line
from lamina_detect.results import BlockMaxima, tail_of
from tests.detect.support import pulses

THRESHOLD = 4.0
LINE = Line(("x",), ("",), None, 10, THRESHOLD, 5, 0, "mark")


class Scores:
    """In place of a `Watch`: the score of a sample is the sample, and the state is kept here."""

    def __init__(self, kept=None):
        self.leads, self.stream = 1, types.SimpleNamespace(block=8, used=[0])
        self.done, self.session = kept or (0, {})
        self.kept = kept

    def push(self, samples):
        self.done += len(samples)
        return np.concatenate([samples, samples], 1)

    def save(self, path):
        self.kept = self.done, json.loads(json.dumps(self.session))


def run(lines, state=False, kept=None, calm=5, **options):
    """The messages, and what would stand in the state file."""
    written, watched = [], Scores(kept)
    alarms_only = options.pop("alarms_only", False)
    sink = JsonLines(written.append, alarms_only)
    sink.open(LINE)
    rule = AlarmRule(THRESHOLD, THRESHOLD / 2, calm, 1000, ("x",))
    path = "state" if state else None
    session = Session(watched, LineParser(("x",)), rule, [sink], path, **options)
    for line in lines:
        session.add([line])
        # As if they came slowly.
        if session.lines % 7 == 0:
            session.catch_up()
    session.finish()
    return [json.loads(line) for line in "".join(written).splitlines()], watched.kept


def events_of(messages):
    """Without the wall clock."""
    return [{k: v for k, v in m.items() if k != "at"} for m in messages if "event" in m]


SCORES = [1, 1, 5, 3, 9, 3, 1, 1, 1, 1, 1, 1, 6, 2, 2, 1, 6, 1, 1, 1, 1, 1, 1, 1]
LINES = ["x"] + [str(v) for v in SCORES]
TIMED = ["time,x"] + [f"day {i},{v}" for i, v in enumerate(SCORES)]


def test_each_alarm_is_one_event():
    messages, _ = run(LINES)
    events = events_of(messages)
    assert [(e["event"], e["id"], e["start"], e["peak"], e["end"]) for e in events] == [
        ("start", 1, 2, 2, None),
        ("end", 1, 2, 4, 6),
        ("start", 2, 12, 12, None),
        ("end", 2, 12, 12, 17),
    ]
    assert [e["highest"] for e in events] == [5, 9, 6, 6]
    assert all(e["lead"] == "x" and e["threshold"] == THRESHOLD for e in events)
    # An event stands right after the sample that shows it.
    before = [messages[messages.index(m) - 1]["sample"] for m in messages if "event" in m]
    assert before == [2, 10, 12, 21]
    assert [m["alarm"] for m in messages if "sample" in m] == [v >= THRESHOLD for v in SCORES]


def test_alarms_only_writes_no_samples():
    lines = [*LINES[:5], "no number", *LINES[5:]]
    messages, _ = run(lines, alarms_only=True)
    assert not any("sample" in m for m in messages)
    assert events_of(messages) == events_of(run(LINES)[0])
    assert [m["line"] for m in messages if "error" in m] == [6]


def test_a_longer_calm_joins_and_a_shorter_one_parts():
    assert [len(events_of(run(LINES, calm=calm)[0])) for calm in (1, 7, 30)] == [6, 2, 2]


def test_an_alarm_that_the_end_cuts_is_ended_unless_it_may_go_on():
    last = events_of(run(LINES[:6])[0])[-1]
    assert (last["event"], last["end"], last["cut"]) == ("end", 5, True)
    last = events_of(run(LINES[:9])[0])[-1]
    assert (last["event"], last["end"], last["cut"]) == ("end", 6, True)
    assert events_of(run(LINES[:9], state=True)[0])[-1]["event"] == "start"


def test_times_are_those_of_the_line():
    messages, _ = run(TIMED)
    assert [m["time"] for m in messages if "sample" in m] == [f"day {i}" for i in range(24)]
    for event in events_of(messages):
        assert event["start_time"] == f"day {event['start']}"
        assert event["peak_time"] == f"day {event['peak']}"
        assert event.get("end_time", "day None") == f"day {event['end']}"


@pytest.mark.parametrize("stop", range(1, 26))
def test_started_again_everything_goes_on_as_if_it_never_stopped(stop):
    lines = [*TIMED[:5], "no number", *TIMED[5:]]
    unbroken, _ = run(lines, state=True)
    first, kept = run(lines[:stop], state=True)
    ack = [m for m in first if "ack" in m][-1]
    # The header and the bad line are lines, and no samples.
    assert ack.get("lines", ack["ack"]) == stop
    # Without the header, which the state knows.
    again, _ = run(lines[stop:], state=True, kept=kept)
    assert again[0] == ack
    assert events_of(first) + events_of(again) == events_of(unbroken)
    samples = [m for m in first + again if "sample" in m]
    assert samples == [m for m in unbroken if "sample" in m]


def test_without_header_and_bad_lines_the_acknowledgement_is_one_number():
    messages, _ = run(LINES[1:], state=True)
    assert [m for m in messages if "ack" in m][-1] == {"ack": 24}


def test_strictly_a_bad_line_ends_the_run_and_says_which():
    with pytest.raises(BadInput, match="line 3: 2 fields for 1 columns"):
        run(["x", "1", "1,2"], strict=True)
    with pytest.raises(BadInput, match="line 1: not numbers; the header has other names"):
        run(["other", "1"], strict=True)


@pytest.fixture(scope="module")
def detector():
    detector = Detector(shapes=20).fit(pulses(3000, odd=(20,)))
    # Between the usual beats' causal scores and the odd beat's.
    detector.threshold = THRESHOLD
    maxima = BlockMaxima(detector.settings["window"])
    maxima.add(detector.score(pulses(3000, odd=(20,))).causal)
    maxima.close()
    detector.tail = dataclasses.astuple(tail_of(maxima))
    return detector


@pytest.fixture(scope="module")
def model(detector, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.keras"
    detector.save(path)
    return path


@pytest.fixture(scope="module")
def beats():
    return pulses(5000, odd=(20, 45)).astype("float32")


def lines_of(x):
    return [f"{v!r}\n" for v in x.tolist()]


@pytest.mark.slow
def test_the_alarms_of_a_model_are_at_the_odd_beats(model, detector, beats):
    written, notes = [], []
    options = {"alarms_only": True, "note": notes.append}
    watch(model, ["beat\n", *lines_of(beats)], written.append, **options)
    events = [json.loads(line) for line in "".join(written).splitlines() if "event" in line]
    ended = [e for e in events if e["event"] == "end"]
    score = detector.score(beats).causal
    assert [e["start"] // 90 in (20, 21, 45, 46) for e in ended] == [True] * len(ended)
    assert {e["start"] // 90 // 20 for e in ended} == {1, 2}
    for event in ended:
        assert score[event["start"]] >= THRESHOLD > score[event["start"] - 1]
        assert event["peak"] == event["start"] + score[event["start"] : event["end"]].argmax()
        assert event["highest"] == score[event["peak"]]
    assert "beat are taken in this order" in notes[0]


@pytest.mark.slow
def test_a_state_of_the_first_version_is_read(model, detector, beats, tmp_path):
    from lamina_detect import Watch

    watched = Watch(detector)
    watched.push(beats[:300, None])
    watched.save(tmp_path / "new.npz")
    with np.load(tmp_path / "new.npz") as held:
        np.savez(tmp_path / "old.npz", **{k: held[k] for k in held if k != "session"})
    written = []
    watch(model, lines_of(beats)[300:600], written.append, tmp_path / "old.npz")
    messages = [json.loads(line) for line in "".join(written).splitlines()]
    assert messages[0] == {"ack": 300}
    score = detector.score(beats).causal
    assert all(m["score"] == score[m["sample"]] for m in messages if "sample" in m)


@pytest.mark.slow
def test_options_that_the_model_cannot_follow_are_refused(model, tmp_path):
    older = Detector.load(model)
    layer = older.scorer.get_layer("scores")
    layer.settings = {k: v for k, v in layer.settings.items() if k != "tail"}
    older.save(tmp_path / "older.keras")
    for options, reason in (
        ({"false_alarms": "0.001"}, "false_alarms: the model does not know"),
        ({"calm": "10s"}, "calm: 10s needs the rate"),
    ):
        with pytest.raises(BadInput, match=reason):
            watch(tmp_path / "older.keras", [], print, **options)


@pytest.mark.slow
def test_the_command_serves_runs_and_posts(model, beats, tmp_path):
    httpx = pytest.importorskip("httpx")
    program = tmp_path / "told.py"
    program.write_text("import sys; open(sys.argv[1], 'a').write(sys.stdin.read())")
    command = [sys.executable, "-m", "lamina_cli", "watch", str(model), "--alarms-only"]
    command += ["--serve", "127.0.0.1:0", "--send-ends"]
    command += ["--exec", f"{sys.executable} {program} {tmp_path}/told"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        url = next(line.split()[-1] for line in process.stderr if "live page" in line)
        assert "uPlot" in httpx.get(url).text
        threading.Thread(target=process.stderr.read).start()
        got = []
        reader = threading.Thread(target=read_events, args=(httpx, url, got))
        reader.start()
        out, _ = process.communicate("".join(lines_of(beats)))
        reader.join(60)
    events = [json.loads(line) for line in out.splitlines() if "event" in line]
    assert process.returncode == 0 and events
    assert [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()] == events
    assert [m for kind, m in got if kind == "alarm"] == events
    assert sum(len(m["score"]) for kind, m in got if kind == "samples") == len(beats)


def read_events(httpx, url, got):
    with httpx.stream("GET", f"{url}events", timeout=120) as answer:
        kind = ""
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            kind = value if name == "event" else kind
            if name == "data":
                got.append((kind, json.loads(value)))


@pytest.mark.slow
def test_interrupted_it_ends_without_a_trace(model):
    command = [sys.executable, "-m", "lamina_cli", "watch", str(model)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        process.stdin.write("0.1\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == {"ack": 0}
        assert json.loads(process.stdout.readline())["sample"] == 0
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 130 and "Traceback" not in errors
