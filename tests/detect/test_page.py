"""What a report holds of a recording, and says of it: small and exact enough, nothing hidden."""

import base64
import itertools
import json
import pathlib
import shlex
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina_cli._app import app
from lamina_detect import Recording
from lamina_detect._command import command_of
from lamina_detect.recordings import Packing
from lamina_detect.results import Summary, View, columns_for, write_report
from lamina_detect.results._envelopes import Envelope
from lamina_detect.results._files import cell_text
from lamina_detect.results._page_times import page_times
from lamina_detect.results._pieces import (
    BUDGET,
    SCORE_STEP,
    Scale,
    pieces_of,
    scales_of,
    score_numbers,
)
from lamina_detect.results._quality import shares_above
from lamina_detect.results._report import json_for_script
from lamina_detect.results._words import one_in_text, rate_text, short, span_text, time_text
from tests.detect.pages import made_up, written

pytestmark = pytest.mark.tensorflow  # The page does not depend on the backend.

ROOT = pathlib.Path(__file__).resolve().parents[2]


@given(st.integers(1, 300), st.integers(1, 20), st.integers(1, 40))
def test_a_coarser_envelope_is_that_of_the_samples(length, width, columns):
    x = np.random.default_rng(length).standard_normal((length, 2))
    x[length // 3 : length // 2] = np.nan
    fine = Envelope(length, 2, width)
    fine.add(x)
    coarse = fine.coarser(columns)
    assert len(coarse.low) <= columns and coarse.width % width == 0
    for k, place in enumerate(coarse.place):
        part = x[place : place + coarse.width]
        if np.isfinite(part).any():
            assert np.array_equal(coarse.low[k], np.nanmin(part, 0))
            assert np.array_equal(coarse.high[k], np.nanmax(part, 0))
        else:
            assert np.isnan(coarse.low[k]).all()


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_a_value_is_kept_to_half_a_step(low, span):
    x = low + span * np.linspace(0, 1, 1001)
    step = span / 65_000
    scale = Scale((x[0] + x[-1]) / 2, step)
    numbers = scale.numbers(np.append(x, np.nan))
    assert numbers[-1] == -32_768
    back = scale.offset + step * numbers[:-1]
    assert np.abs(back - x).max() <= 0.501 * step + 1e-9 * abs(low)


def test_what_a_file_holds_as_numbers_is_kept_exactly():
    digital = np.arange(-1000, 1000)[:, None]
    packing = Packing(212, 1, 3, 2, [200.0], [0.0])
    recording = Recording.from_array(digital / 200, rate=360.0, packing=packing)
    summary = Summary(["lead0"], 2000, 10, 2000)
    summary.add(digital / 200, np.ones((2000, 2)))
    view = View(recording, summary.close(), lambda a, b: None, lambda a, b: None)
    (scale,) = scales_of(view, [0])
    back = scale.offset + scale.step * scale.numbers(digital[:, 0] / 200)
    np.testing.assert_allclose(back, digital[:, 0] / 200, rtol=0, atol=1e-12)


def test_scores_are_kept_to_a_part_of_themselves():
    score = np.r_[0.0, np.geomspace(1e-3, 1e5, 500)]
    back = np.expm1(score_numbers(score) * SCORE_STEP)
    assert (np.abs(back - score) <= 1.01e-4 * (score + 1)).all()
    assert score_numbers(np.array([np.nan]))[0] == 65_535


@pytest.mark.parametrize("leads", [1, 12, 300])
@pytest.mark.parametrize("length", [10, 100_000, 3_000_000])
@pytest.mark.parametrize("window", [8, 40_000])
def test_what_is_kept_fits_whatever_the_length(leads, length, window):
    columns = columns_for(leads, length)
    names = [str(k) for k in range(leads)]
    summary = Summary(names, length, window, columns)
    fake = Recording(
        "x", names, [""] * leads, length, 100.0, lambda a, b: np.zeros((b - a, leads), "float32")
    )
    view = View(
        fake,
        summary.close(),
        lambda a, b: np.zeros((b - a, leads + 1)),
        lambda a, b: np.zeros(b - a),
    )
    shown = list(range(min(leads, 32)))
    peaks = list(range(0, length, max(1, length // 300)))
    total, places = 0, []
    for piece in pieces_of(view, peaks, shown):
        per = 2 if piece.width == 1 else 4
        total += len(piece.low) * (per * len(shown) + 4)
        places.append((piece.width, piece.start, piece.start + len(piece.low) * piece.width))
    assert total <= BUDGET * 1.01
    assert places[0][1] == 0 and places[0][2] >= length
    # Pieces of one resolution do not overlap.
    for (w, _, stop), (v, start, _) in itertools.pairwise(sorted(places[1:])):
        assert w != v or start >= stop


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.detect.pages.write_report", lambda *given: kept.append(given))
    peaks = []
    for length in (1_000_000, 4_000_000):
        kept = []
        recording, scores = made_up(1000, 1, odd=())
        base = recording.read

        def read(start, stop, base=base):
            return np.tile(base(0, 1000), (stop // 1000 - start // 1000 + 1, 1))[: stop - start]

        def endless(start, stop, samples, scores=scores):
            wave = 1 + np.sin(np.arange(start, stop))
            return np.stack([wave, wave, wave], 1)

        long = Recording("x", recording.leads, recording.units, length, 360.0, read)
        written(tmp_path, long, endless)
        tracemalloc.start()
        write_report(*kept[0])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] and peaks[1] < 200e6


def test_text_in_the_data_cannot_end_the_script():
    text = json_for_script({"name": "</script><!--", "bad": float("nan")})
    assert "<" not in text and json.loads(text) == {"name": "</script><!--", "bad": None}


@pytest.mark.parametrize("name", ["=1+1", "+x", "-x", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_spreadsheet_shows_a_name_and_does_not_run_it(name):
    assert cell_text(name) == "'" + name
    assert cell_text("lead " + name) == "lead " + name


def test_long_names_keep_both_ends():
    name = "a" * 150 + "z" * 150
    assert len(short(name)) == 60 and short(name).startswith("aaa") and short(name).endswith("zzz")
    assert short("V5") == "V5"


@pytest.mark.parametrize(
    ("rate", "text"),
    [(360, "360 Hz"), (1 / 300, "5-minute values"), (1 / 3600, "hourly values"),
     (1, "1 value a second"), (1 / 86_400, "daily values"), (0.1, "10-second values"),
     (1 / 61.5, "a value every 61.5 s")],
)  # fmt: skip
def test_rates_are_said_as_people_say_them(rate, text):
    assert rate_text(rate) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "0.25 s"), (59.96, "60 s"), (1806, "30 min 6 s"), (3599.9, "60 min"), (7200, "2 h"),
     (22_695 * 300, "79 days"), (3650 * 86_400, "10.0 years"), (3 * 86_400 + 3600, "3 days 1 h")],
)  # fmt: skip
def test_lengths_are_said_as_people_say_them(seconds, text):
    assert span_text(seconds) == text


def test_times_and_rarity_are_said_as_people_say_them():
    recording = Recording.from_array(np.zeros(10), rate=360.0)
    assert time_text(recording, 262_910) == "12:10.31"
    assert time_text(recording, 360 * 90_000) == "1 d 1:00:00.00"
    assert [one_in_text(n) for n in (0.5, 33.3, 2345.0, 2e6)] == [
        "",
        "33",
        "2,300",
        "over a million",
    ]


def test_even_times_and_jumps_of_the_clock():
    times = np.arange(5000) * 2.0
    times[3000:] += 100
    found = page_times(Recording.from_array(np.zeros(5000), times=times))
    assert found["kind"] == "numbers" and found["jumps"] == [3000]
    samples, known = zip(*found["known"], strict=True)
    np.testing.assert_allclose(np.interp(np.arange(5000), samples, known), times)


def test_a_recording_that_changes_is_not_alike(rng):
    heights = rng.exponential(size=1000)
    assert max(shares_above(heights, heights)) < 0.25
    heights[800:] += 3
    shares = shares_above(heights, heights[:800])
    assert shares[:8] == pytest.approx([0.1] * 8, abs=0.1) and min(shares[8:]) > 0.6
    assert shares_above(heights[:50], heights) == []


OPTIONS = [
    ("rec", {}, {}, {}),
    ("a b.csv", {"columns": ["x y", "-z"], "rate": 0.1}, {"decimal": ",", "missing": ["-999", "x"]},
     {"window": 20, "seed": 3}),
    ("-odd.csv", {"fit": "it's.csv", "out": "-o", "false_alarms": 0.002}, {"time": "none"}, {}),
    (None, {}, {"missing": ()}, {"shapes": 200, "seed": 0}),
]  # fmt: skip


@pytest.mark.parametrize(("recording", "arguments", "reading", "settings"), OPTIONS)
def test_the_command_means_what_was_asked_for(recording, arguments, reading, settings, monkeypatch):
    from typer.testing import CliRunner

    command = command_of(recording, arguments, reading, settings)
    words = shlex.split(command.before + command.option + "4.25" + command.after)
    assert words[:2] == ["lamina", "detect"]
    asked = {}

    def detect(recording, out, fit, columns, rate, progress, reading, *more, **settings):
        names = dict(out=out, fit=fit, columns=columns, rate=rate, false_alarms=more[0])
        asked.update(recording=recording, level=more[1], reading=reading, settings=settings)
        asked.update(names)
        raise RuntimeError("enough")

    monkeypatch.setattr("lamina_detect.detect", detect, raising=False)
    CliRunner().invoke(app, words[1:])
    shown = recording if recording is None or not recording.startswith("-") else f"./{recording}"
    assert (asked["recording"], asked["level"]) == (shown, 4.25)
    for name, value in arguments.items():
        assert asked[name] == value or str(asked[name]) == str(value)
    for name, value in reading.items():
        assert asked["reading"][name] == value
    for name, value in settings.items():
        assert asked["settings"][name] == value


def test_what_has_no_option_is_shown_in_python():
    command = command_of("x.csv", {"out": pathlib.Path("o")}, {"time": "none"}, {"components": 5})
    text = command.before + command.option + "4.25" + command.after
    asked = {}
    names = {"lamina_detect": type("Module", (), {"detect": lambda *a, **k: asked.update(k, at=a)})}
    eval(text, names)
    want = {"at": ("x.csv",), "out": "o", "reading": {"time": "none"}, "components": 5}
    assert asked == want | {"threshold": 4.25}


def test_data_of_the_page_are_those_of_the_recording(tmp_path):
    recording, scores = made_up(6000, 2, odd=(3000,))
    written(tmp_path, recording, scores)
    page = (tmp_path / "report.html").read_text()
    text = page.partition('<script type="application/json" id="data">')[2].partition("</script>")[0]
    data = json.loads(text)
    (piece,) = data["pieces"]
    assert (piece["start"], piece["width"], piece["count"]) == (0, 1, 6000)
    x = recording.read(0, 6000)
    for lead, known in enumerate(data["leads"]):
        numbers = np.frombuffer(base64.b64decode(piece["signal"][lead][0]), "<i2")
        back = known["offset"] + known["step"] * numbers
        assert np.abs(back - x[:, lead]).max() <= 0.51 * known["step"]


@pytest.mark.slow
def test_the_wheel_holds_what_the_page_is_made_of(tmp_path):
    from hatchling.builders.wheel import WheelBuilder

    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    assets = ROOT / "src" / "lamina_detect" / "results" / "assets"
    wanted = {p.relative_to(ROOT / "src").as_posix() for p in assets.rglob("*") if p.is_file()}
    assert len(wanted) > 15 and not wanted - set(zipfile.ZipFile(wheel).namelist())


def test_the_command_does_not_say_0_alarms():
    from lamina_cli._detect import summary

    event = {"peak": 7, "time": "7", "score": 2.5, "lead": "a", "alarm": False, "expert": "power"}
    counts = dict(samples=9, gaps=0, clipped=0, flat=0, alarms=0, windows=40, seconds=1)
    run = dict(recording="a", leads=["a"], rate=None, settings={"window": 3}, notes=[], left_out=[])
    run |= counts | dict(threshold=3.0, highest=[event], against_annotations=None)
    assert "no alarm above 3.0: the highest reaches 2.5, 83 % of it" in summary(run, "out")
