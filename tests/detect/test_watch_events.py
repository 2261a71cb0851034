"""What `watch` writes beside the scores, and that a restart changes none of it."""

import json
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from lamina_detect import BadInput, Detector, watch
from tests.detect.support import pulses

ODD = 20
DROPPED = ("at",)


@pytest.fixture(scope="module")
def detector():
    detector = Detector(shapes=20).fit(pulses(3000, odd=(ODD,)))
    # Between the usual beats' causal scores and the odd beat's.
    detector.threshold = 4.0
    return detector


@pytest.fixture(scope="module")
def model(detector, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.keras"
    detector.save(path)
    return path


@pytest.fixture(scope="module")
def signal_of_two():
    """Two odd beats, far apart, and the one in the middle of the record."""
    return pulses(5000, odd=(ODD, 45))


def run(model, lines, state=None, block=64, **options):
    written = []
    watch(model, lines, written.append, state, block, **options)
    return [json.loads(line) for line in "".join(written).splitlines()]


def events_of(messages):
    """Without the wall clock."""
    return [{k: v for k, v in m.items() if k not in DROPPED} for m in messages if "event" in m]


def lines_of(x):
    return [f"{v!r}\n" for v in x.astype("float32").tolist()]


def test_each_alarm_is_one_event(model, detector, signal_of_two):
    messages = run(model, lines_of(signal_of_two), block=4096)
    events = events_of(messages)
    assert [(e["event"], e["id"]) for e in events] == [
        ("start", 1), ("end", 1), ("start", 2), ("end", 2),
    ]  # fmt: skip
    score = detector.score(signal_of_two.astype("float32")).causal
    for begun, ended in (events[:2], events[2:]):
        first, last = ended["start"], ended["end"]
        assert begun["start"] == first == begun["peak"] and begun["end"] is None
        assert score[first] >= 4.0 > score[first - 1]
        assert ended["peak"] == first + int(score[first:last].argmax())
        assert ended["highest"] == score[ended["peak"]]
        assert ended["lead"] == "lead0" and ended["threshold"] == 4.0
    # An event stands after the sample that shows it, and not before.
    place = messages.index(next(m for m in messages if m.get("event") == "start"))
    assert messages[place - 1]["sample"] == events[0]["start"]


def test_alarms_only_writes_no_samples(model, signal_of_two):
    lines = lines_of(signal_of_two)
    lines.insert(40, "no number\n")
    messages = run(model, lines, alarms_only=True)
    assert not any("sample" in m for m in messages)
    assert events_of(messages) == events_of(run(model, lines))
    assert {"line": 41} == {k: m[k] for m in messages if "error" in m for k in ("line",)}


def test_a_longer_calm_joins_them_and_a_shorter_one_does_not(model, signal_of_two):
    lines = lines_of(signal_of_two)
    assert len(events_of(run(model, lines, calm="3000", alarms_only=True))) == 2
    short = events_of(run(model, lines, calm="1", alarms_only=True))
    assert len(short) >= 4
    with pytest.raises(BadInput, match="calm: 10s needs the rate"):
        run(model, lines, calm="10s")


def test_an_alarm_that_the_end_cuts_is_ended(model, signal_of_two, tmp_path):
    lines = lines_of(signal_of_two[: ODD * 90 + 90])
    last = events_of(run(model, lines))[-1]
    assert last["event"] == "end" and last["cut"] and last["end"] <= len(lines)
    # With a state it may go on.
    assert events_of(run(model, lines, tmp_path / "state"))[-1]["event"] == "start"


def test_times_are_those_of_the_line(model, signal_of_two):
    lines = ["time,other,lead0\n"]
    lines += [f"day {i},x,{v!r}\n" for i, v in enumerate(signal_of_two.astype("float32").tolist())]
    messages = run(model, lines)
    assert events_of(messages) != [] and messages[1]["time"] == "day 0"
    for event in events_of(messages):
        assert event["start_time"] == f"day {event['start']}"
        assert event["peak_time"] == f"day {event['peak']}"
        if event["event"] == "end":
            assert event["end_time"] == f"day {event['end']}"
    scores = [m["score"] for m in messages if "sample" in m]
    plain = [m["score"] for m in run(model, lines_of(signal_of_two)) if "sample" in m]
    assert scores == plain


@pytest.mark.parametrize("stop", [300, ODD * 90 + 90, ODD * 90 + 300, 4800])
def test_started_again_events_go_on_as_if_it_never_stopped(model, signal_of_two, tmp_path, stop):
    lines = ["time,lead0\n"]
    lines += [f"day {i},{v!r}\n" for i, v in enumerate(signal_of_two.astype("float32").tolist())]
    lines.insert(50, "no number\n")
    unbroken = run(model, lines, tmp_path / "whole", alarms_only=True)
    first = run(model, lines[:stop], tmp_path / "state", alarms_only=True)
    # The header and the bad line are lines, and no samples.
    ack = [m for m in first if "ack" in m][-1]
    assert ack == {"ack": stop - 2, "lines": stop}
    # Without the header, which the state knows.
    again = run(model, lines[stop:], tmp_path / "state", alarms_only=True)
    assert again[0] == ack
    assert events_of(first) + events_of(again) == events_of(unbroken)


def test_a_state_of_the_first_version_is_read(model, detector, tmp_path):
    x = pulses(600).astype("float32")
    stream = detector.stream(64)
    stream.push(x[None, :300, None])
    mark = json.loads(json.dumps(np.load(saved(detector, tmp_path))["mark"].item()))
    held = {f"state:{k}": np.asarray(v) for k, v in stream.state.items()}
    np.savez(tmp_path / "old.npz", done=np.asarray(300), mark=np.asarray(mark), **held)
    messages = run(model, lines_of(x)[300:], tmp_path / "old.npz")
    assert messages[0] == {"ack": 300}
    whole = {m["sample"]: m["score"] for m in run(model, lines_of(x)) if "sample" in m}
    assert all(whole[m["sample"]] == m["score"] for m in messages if "sample" in m)


def saved(detector, folder):
    from lamina_detect import Watch

    Watch(detector, 64).save(folder / "new.npz")
    return folder / "new.npz"


def test_another_rate_needs_a_model_that_knows_its_tail(model):
    with pytest.raises(BadInput, match="false_alarms: the model does not know"):
        run(model, [], false_alarms="0.001")


def test_notes_say_what_people_should_know(model):
    notes = []
    run(model, ["value\n", "1\n", "no number\n"], note=notes.append)
    assert "value are taken in this order" in notes[0]
    assert notes[-1] == "1 of 3 lines were no samples, and were skipped"


@pytest.mark.slow
def test_the_command_serves_runs_and_posts(model, signal_of_two, tmp_path):
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
        out, _ = process.communicate("".join(lines_of(signal_of_two)))
        reader.join(60)
    events = [json.loads(line) for line in out.splitlines() if "event" in line]
    assert process.returncode == 0 and len(events) == 4
    assert [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()] == events
    assert [m for kind, m in got if kind == "alarm"] == events
    assert sum(len(m["score"]) for kind, m in got if kind == "samples") == len(signal_of_two)


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
