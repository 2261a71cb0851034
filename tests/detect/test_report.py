"""The report as people use it: wheel, drag, click and keys in a browser."""

import csv
import dataclasses
import io
import json
import re
import shlex

import numpy as np
import pytest

from lamina_detect import Beats, Recording
from lamina_detect.results import events_of, time_of
from tests.detect.browser import chromium, middle_of, needs_browser, opened, span
from tests.detect.pages import made_up, written
from tests.detect.support import pulses

pytestmark = pytest.mark.tensorflow  # The page does not depend on the backend.

browsing = [needs_browser, pytest.mark.slow]
HOSTILE = ["=cmd|' /C calc'!A0", "</script><script>alert(1)</script>" + "y" * 300]


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A short recording: every sample stands in its page."""
    path = tmp_path_factory.mktemp("report")
    beats = np.arange(90, 60_000, 300)
    recording, scores = made_up(beats=Beats(beats, np.isin(beats, [8790, 30_990])))
    written(path, recording, scores)
    return path


@pytest.fixture(scope="module")
def report(folder):
    return folder / "report.html"


@pytest.fixture(scope="module")
def alarms(folder):
    """For each event of events.csv, whether it is an alarm."""
    with (folder / "events.csv").open() as file:
        return [row["alarm"] == "1" for row in csv.DictReader(file) if row["kind"] == "anomaly"]


@pytest.fixture(scope="module")
def long_one(tmp_path_factory):
    """An hour at 360 Hz: envelopes, and every sample around events only."""
    path = tmp_path_factory.mktemp("long")
    recording, scores = made_up(1_296_000, odd=(100_000, 700_000, 1_200_000))
    written(path, recording, scores, window=250)
    return path / "report.html"


def test_it_is_one_small_file_that_may_ask_nobody(report):
    page = report.read_text()
    assert len(page) < 3_000_000
    assert "default-src 'none'" in page and "<link" not in page and "@import" not in page
    assert not re.search(r"""(?:src|href)=["'](?!#|data:)""", page.split("<script")[0])
    assert "MIT License" in page and "Leon Sorokin" in page


def changed(change, *given, **more):
    """A recording of `made_up` whose samples are what `change` makes of them."""
    recording, scores = made_up(*given, odd=(), **more)
    x = change(recording.read(0, recording.length).copy())
    return dataclasses.replace(recording, read=lambda start, stop: x[start:stop]), scores


def missing(x):
    x[:, 0] = np.nan
    return x


def mostly_missing(x):
    x[100:-100] = np.nan
    return x


ODD = {
    "a lead without a sample": lambda: changed(missing, 5000),
    "mostly a gap": lambda: changed(mostly_missing, 5000),
    "one value": lambda: changed(np.ones_like, 5000, 1),
    "huge values": lambda: changed(lambda x: 1e30 * x, 5000, 1),
    "tiny values": lambda: changed(lambda x: 1e-30 * x, 5000, 1),
    "three samples": lambda: made_up(3, 1, odd=()),
    "one sample": lambda: made_up(1, 1, odd=()),
    "forty leads": lambda: made_up(4000, 40, odd=()),
    "no rate": lambda: made_up(5000, 1, None, odd=()),
    "names alike, and none": lambda: made_up(5000, 3, odd=(), names=["a", "a", ""]),
    "a value a year": lambda: made_up(400, 1, 1 / 31_557_600, odd=()),
    "a gigahertz": lambda: made_up(5000, 1, 1e9, odd=()),
    "one date": lambda: made_up(500, 1, odd=(), times=np.full(500, "2024-01-05", "datetime64[s]")),
    "times that go back": lambda: made_up(500, 1, odd=(), times=np.arange(500.0) % 100),
}


class TestInABrowser:
    pytestmark = browsing

    def test_it_says_what_was_found_and_draws_it(self, browser, report, alarms):
        with opened(browser, report) as page:
            assert (
                page.locator("#verdict").inner_text().startswith(f"{sum(alarms)} alarms above 4.88")
            )
            assert page.locator("#detail canvas").count() == 3
            assert not page.locator("#incomplete").count() and not page.is_visible("#still")
            drawn = page.evaluate(PAINTED)
            assert all(part > 0.01 for part in drawn), drawn

    def test_the_wheel_zooms_at_the_pointer(self, browser, report):
        with opened(browser, report) as page:
            box = page.locator("#score-lane .u-over").bounding_box()
            at = box["x"] + box["width"] / 4
            page.mouse.move(at, box["y"] + 50)
            page.mouse.wheel(0, -300)
            start, stop = span(page)
            assert stop - start < 40_000
            # What is under the pointer stays there.
            assert start + (stop - start) / 4 == pytest.approx(15_000, abs=100)
            page.mouse.wheel(0, 3000)
            assert span(page) == [-0.5, 59_999.5]

    def test_a_drag_pans_and_with_shift_zooms_into(self, browser, report):
        with opened(browser, report) as page:
            page.evaluate("lamina.app.view.show(20000, 24000)")
            box = page.locator("#score-lane .u-over").bounding_box()
            drag(page, box, 0.5, 0.25)
            assert span(page) == pytest.approx([21_000, 25_000], abs=20)
            page.keyboard.down("Shift")
            drag(page, box, 0.25, 0.75)
            page.keyboard.up("Shift")
            assert span(page) == pytest.approx([22_000, 24_000], abs=20)
            page.keyboard.press("Backspace")
            assert span(page) == pytest.approx([21_000, 25_000], abs=20)
            page.mouse.dblclick(box["x"] + 100, box["y"] + 60)
            assert span(page) == [-0.5, 59_999.5]

    def test_the_overview_chooses_what_is_shown(self, browser, report):
        with opened(browser, report) as page:
            box = page.locator("#overview .u-over").bounding_box()
            drag(page, box, 0.5, 0.6)
            assert span(page) == pytest.approx([30_000, 36_000], abs=100)
            # A click on an alarm's triangle goes there.
            page.mouse.click(box["x"] + box["width"] * 9100 / 60_000, box["y"] + 5)
            start, stop = span(page)
            assert start < 9100 < stop and stop - start < 3000
            assert page.url.endswith("#event=1")

    def test_a_click_on_an_event_goes_there_and_keys_go_on(self, browser, report):
        with opened(browser, report) as page:
            peaks = page.evaluate("lamina.app.events.filter(e => e.alarm).map(e => e.peak)")
            page.locator("#events tbody tr").nth(2).click()
            start, stop = span(page)
            assert start < peaks[2] < stop
            by_time = sorted(peaks)
            at = by_time.index(peaks[2])
            page.keyboard.press("0")
            # By time, and from the last one on to the first.
            for key, moved in (("n", 1), ("p", -1), ("p", -1), ("n", 1), ("n", 1)):
                page.keyboard.press(key)
                at = (at + moved) % len(by_time)
                assert page.evaluate("lamina.app.current.peak") == by_time[at]
            page.keyboard.press("+")
            narrow = span(page)
            page.keyboard.press("-")
            page.keyboard.press("ArrowRight")
            wide = span(page)
            assert wide[1] - wide[0] == pytest.approx(2 * (narrow[1] - narrow[0]))

    def test_the_value_under_the_pointer_is_that_of_the_recording(self, browser, report):
        recording, _ = made_up()
        x = recording.read(0, 60_000)
        with opened(browser, report) as page:
            page.evaluate("lamina.app.view.show(30950, 31150)")
            box = page.locator("#score-lane .u-over").bounding_box()
            for part in (0.1, 0.33, 0.5, 0.77):
                page.mouse.move(box["x"] + part * box["width"], box["y"] + 40)
                sample = page.evaluate("lamina.app.pointer")
                assert sample == pytest.approx(30_950 + 200 * part, abs=1)
                for lead in (0, 1):
                    shown = page.locator(".track .value").nth(lead).inner_text()
                    step = page.evaluate(f"lamina.app.store.leads[{lead}].step")
                    assert float(shown.split()[0]) == pytest.approx(
                        x[sample, lead], abs=0.51 * step + 10 ** np.floor(np.log10(step))
                    )
                    assert shown.endswith("mV")

    def test_no_peak_is_hidden_at_any_zoom(self, browser, long_one):
        recording, _ = made_up(1_296_000, odd=(100_000, 700_000, 1_200_000))
        x = recording.read(0, recording.length)
        with opened(browser, long_one) as page:
            for start, stop in [(0, 1_296_000), (333_333, 777_777), (699_000, 703_000)]:
                page.evaluate(f"lamina.app.view.show({start}, {stop})")
                start, stop = span(page)
                drawn = page.evaluate(LIMITS)
                inside = x[max(0, round(start)) : round(stop), 0]
                slack = 0.01 * np.ptp(x)
                assert drawn[0] <= inside.min() + slack and drawn[1] >= inside.max() - slack

    def test_where_it_is_coarse_it_says_so(self, browser, long_one):
        with opened(browser, long_one) as page:
            page.evaluate("lamina.app.view.show(400000, 401000)")
            span(page)
            assert "lowest and the highest of each" in page.locator("#shown").inner_text()
            box = page.locator("#score-lane .u-over").bounding_box()
            page.mouse.move(box["x"] + 300, box["y"] + 40)
            assert "…" in page.locator(".track .value").first.inner_text()
            page.evaluate("lamina.app.go(lamina.app.events[0])")
            span(page)
            assert page.locator("#shown").inner_text() == "Shown: every sample counts."

    def test_the_threshold_is_dragged_and_all_follows(self, browser, report):
        with opened(browser, report) as page:
            before = page.locator("#events tbody tr.alarm").count()
            x, y = middle_of(page, ".handle")
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x, y - 30, steps=5)
            page.mouse.up()
            limit = page.evaluate("lamina.app.limit")
            assert limit > 5
            alarms = page.locator("#events tbody tr.alarm").count()
            assert alarms < before
            for place in ("#verdict", "#rates"):
                assert f"{alarms} alarm" in page.locator(place).inner_text()
            assert page.locator("#command").inner_text() == f"lamina detect rec --threshold {limit}"
            page.keyboard.press("t")
            page.keyboard.press("ArrowUp")
            assert page.evaluate("lamina.app.limit") > limit
            page.click("#reset")
            assert page.locator("#command").inner_text() == "lamina detect rec"
            assert page.locator("#events tbody tr.alarm").count() == before

    def test_its_events_are_those_of_the_command_at_any_threshold(self, browser, folder, report):
        recording, scores = made_up(beats=None)
        _, _, view = written(folder / "..", recording, scores)
        with opened(browser, report) as page:
            for threshold in (0.5, 1.0, 2.2, 3.0, 4.0, 4.5, 5.26, 7.0, 100.0):
                want = events_of(view.summary, view.values, threshold)
                shown = page.evaluate(f"lamina.app.rule.events({threshold})")
                fields = ("start", "end", "peak", "alarm", "lead")
                got = [tuple(event[name] for name in fields) for event in shown]
                assert got == [
                    (e.start, e.end, e.peak, e.alarm, e.lead) for e in want if e.kind == "anomaly"
                ]
                assert [e["score"] for e in shown] == [e.score for e in want]

    def test_no_alarm_is_not_read_as_nothing_found(self, browser, tmp_path):
        recording, scores = made_up(odd=())
        written(tmp_path, recording, scores, threshold=7.5)
        for script in (True, False):
            with opened(browser, tmp_path / "report.html", script=script) as page:
                said = page.locator("#verdict").inner_text()
                assert said.startswith("Nothing above the threshold of 7.5. The highest")
                assert "5.26 at" in said and "%" in said
                if script:
                    assert "2.2 below, 70 %" in said

    def test_too_few_windows_have_no_threshold_until_one_is_typed(self, browser, tmp_path):
        recording, scores = made_up(900, odd=(700,))
        written(tmp_path, recording, scores)
        with opened(browser, tmp_path / "report.html") as page:
            assert page.locator("#verdict").inner_text().startswith("No threshold.")
            page.fill("#threshold", "5")
            page.press("#threshold", "Enter")
            assert page.locator("#verdict").inner_text().startswith("1 alarm above 5")

    def test_marks_survive_a_reload_and_are_exported(self, browser, report):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        with opened(browser, report, context=context) as page:
            page.keyboard.press("n")
            page.keyboard.press("l")
            page.keyboard.press("m")
            page.keyboard.type("=1+1")
            page.keyboard.press("Enter")
            peak = page.evaluate("lamina.app.current.peak")
            row = page.locator(f"tr[data-peak='{peak}']")
            other = page.locator("#events tbody tr").nth(1)
            other.locator("input[type=checkbox]").nth(1).check()
        with opened(browser, report, context=context) as page:
            row = page.locator(f"tr[data-peak='{peak}']")
            assert row.locator("input[type=checkbox]").first.is_checked()
            assert row.locator("input[type=text]").input_value() == "=1+1"
            table = list(csv.DictReader(io.StringIO(saved(page, "#csv").decode("utf-8-sig"))))
            mine = next(line for line in table if int(line["peak"]) == peak)
            assert (mine["looked_at"], mine["note"]) == ("1", "'=1+1")
            assert sum(line["false"] == "1" for line in table) == 1
            held = json.loads(saved(page, "#json"))
            assert held["result"] and len(held["marks"]) == 2
        context.close()
        with opened(browser, report) as page:
            give(page, json.dumps(held))
            assert "2 marks read" in page.locator("#message").inner_text()
            assert page.locator("#events tr.false").count() == 1

    def test_marks_of_another_result_change_nothing_until_one_says_so(self, browser, report):
        with opened(browser, report) as page:
            peak = page.evaluate("lamina.app.events[0].peak")
            marks = [{"peak": peak, "seen": True, "note": "x"}, {"peak": 1, "false": True}]
            held = {
                "format": "lamina marks 1",
                "result": "other",
                "recording": "<b>z",
                "marks": marks,
            }
            give(page, json.dumps(held))
            said = page.locator("#message").inner_text()
            assert "another result (<b>z)" in said and "1 of 2" in said
            assert not page.locator("#events tr.seen").count()
            page.click("#message button")
            assert page.locator("#events tr.seen").count() == 1
            for text in ("", "{", "[]", '{"format": "other"}', json.dumps(held)[:-20]):
                give(page, text)
                assert "Nothing was changed" in page.locator("#message").inner_text()
            assert page.locator("#events tr.seen").count() == 1

    def test_marks_of_an_earlier_result_are_offered(self, browser, report, tmp_path):
        recording, scores = made_up(odd=(9000, 31_000))
        written(tmp_path, recording, scores)
        context = browser.new_context()
        with opened(browser, report, context=context) as page:
            page.evaluate("lamina.app.mark(lamina.app.events[0].peak, {note: 'kept'})")
        with opened(browser, tmp_path / "report.html", context=context) as page:
            assert "another result of this recording" in page.locator("#message").inner_text()
            page.click("#message button")
            assert page.locator("#events input[type=text]").first.input_value() == "kept"
        context.close()

    def test_a_link_leads_to_its_event(self, browser, report):
        with opened(browser, report, "#event=3") as page:
            assert page.evaluate("lamina.app.events.indexOf(lamina.app.current)") == 2
            assert page.locator("#event-3").get_attribute("class").endswith("here")
        with opened(browser, report, "#event=2&threshold=6.5") as page:
            assert page.evaluate("[lamina.app.limit, lamina.app.alarms]") == [6.5, 3]
            assert page.url.endswith("#event=2&threshold=6.5")

    @pytest.mark.parametrize("asked", ["99", "0", "-1", "x", "1.5", "", "<img src=x>"])
    def test_a_link_to_no_event_is_said(self, browser, report, asked, alarms):
        with opened(browser, report, f"#event={asked}") as page:
            assert f"there are 1 to {len(alarms)}" in page.locator("#message").inner_text()
            assert page.evaluate("lamina.app.current") is None

    @pytest.mark.parametrize("part", [0.3, 0.6, 0.9, 0.995])
    def test_of_a_page_that_is_cut_the_rest_stands(self, browser, report, tmp_path, part, alarms):
        whole = report.read_bytes()
        cut = tmp_path / "cut.html"
        cut.write_bytes(whole[: int(part * len(whole))])
        with opened(browser, cut) as page:
            assert page.locator("#incomplete").count() and page.locator("#still svg").count()
            assert page.locator("#verdict").inner_text().startswith(f"{sum(alarms)} alarms")
            page.wait_for_timeout(2700)
            assert page.is_visible("#incomplete")

    def test_without_javascript_picture_and_table_remain(self, browser, report, alarms):
        with opened(browser, report, script=False) as page:
            assert page.is_visible("#incomplete") and page.is_visible("#still svg")
            assert page.locator("#events tbody tr").count() == len(alarms)
            assert page.locator("#events svg").first.bounding_box()["height"] > 30
            assert not page.is_visible("#work") and not page.is_visible("#tools")

    def test_names_are_text_whatever_they_hold(self, browser, tmp_path):
        recording, scores = made_up(20_000, odd=(9000,), names=HOSTILE, name=HOSTILE[1])
        written(tmp_path, recording, scores, command="lamina detect '</script>'")
        with opened(browser, tmp_path / "report.html") as page:
            page.keyboard.press("n")
            assert HOSTILE[0] in page.locator("#current").inner_text()
            assert page.locator("h1").bounding_box()["height"] < 80
            assert page.locator("#overview canvas").bounding_box()["height"] > 60
            assert page.locator("#command").inner_text() == "lamina detect '</script>'"
        with opened(browser, tmp_path / "report.html", script=False) as page:
            assert page.locator("#still svg").bounding_box()["height"] > 200
        lines = (tmp_path / "events.csv").read_text().splitlines()
        assert all(line.split(",")[4].startswith("'=cmd") for line in lines[1:])

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_colours_follow_the_reader(self, browser, report, scheme):
        with opened(browser, report, color_scheme=scheme) as page:
            page.evaluate("lamina.app.go(lamina.app.events[0])")
            span(page)
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            bright = sum(map(int, re.findall(r"\d+", ground)[:3])) > 380
            assert bright == (scheme == "light")
            assert breaks(page) == []

    def test_on_a_phone_nothing_is_wider_than_it(self, browser, report):
        size = {"width": 390, "height": 844}
        with opened(browser, report, viewport=size, has_touch=True, is_mobile=True) as page:
            page.evaluate("lamina.app.go(lamina.app.events[0])")
            span(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            assert breaks(page) == []

    def test_two_fingers_zoom(self, browser, report):
        size = {"width": 390, "height": 844}
        with opened(browser, report, viewport=size, has_touch=True, is_mobile=True) as page:
            box = page.locator("#score-lane .u-over").bounding_box()
            y = box["y"] + 40
            client = page.context.new_cdp_session(page)

            def touch(kind, *places):
                points = [{"x": x, "y": y, "id": i} for i, x in enumerate(places)]
                client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

            touch("touchStart", 150)
            touch("touchStart", 150, 250)
            for wider in range(0, 60, 10):
                touch("touchMove", 150 - wider, 250 + wider)
            touch("touchEnd")
            start, stop = span(page)
            assert stop - start == pytest.approx(30_000, rel=0.15)

    def test_on_paper_no_event_is_cut(self, browser, report, tmp_path):
        with opened(browser, report) as page:
            page.evaluate("lamina.app.go(lamina.app.events[0])")
            span(page)
            page.evaluate(
                "addEventListener('beforeprint', () => { printed = lamina.app.lanes.width })"
            )
            sheets = page.pdf(path=tmp_path / "report.pdf", format="A4")
            assert page.evaluate("printed") < 700
            assert page.evaluate("lamina.app.lanes.width") > 1000
            assert 1 < len(re.findall(rb"/Type\s*/Page\b", sheets)) < 8
            page.emulate_media(media="print")
            assert page.is_visible("#still svg") and page.is_visible("#detail canvas")
            for hidden in ("#tools", "#overview", "[role=toolbar]", ".handle"):
                assert page.is_hidden(hidden)
            # Every row stands on paper, and none on two sheets.
            table = page.evaluate(
                "(e => [e.scrollHeight, e.clientHeight])(document.querySelector('.events'))"
            )
            assert table[0] == table[1]
            broken = page.evaluate(
                "[...document.querySelectorAll('.events tr, .charts, .picture')]"
                ".filter(e => getComputedStyle(e).breakInside !== 'avoid').length"
            )
            assert broken == 0
            assert page.evaluate("document.documentElement.scrollWidth") <= 1280

    def test_an_ecg_has_its_paper_and_its_beats(self, browser, report):
        with opened(browser, report) as page:
            page.evaluate("lamina.app.go(lamina.app.events[0])")
            page.keyboard.press("e")
            start, stop = span(page)
            wide = page.locator("#score-lane .u-over").bounding_box()["width"]
            # 25 mm a second, of 96 pixels an inch.
            assert wide / ((stop - start) / 360) == pytest.approx(25 * 96 / 25.4, rel=0.01)
            tall = page.evaluate("lamina.app.lanes.lanes[0].range")
            pixels = page.locator(".track .u-over").first.bounding_box()["height"]
            assert pixels / (tall[1] - tall[0]) == pytest.approx(10 * 96 / 25.4, rel=0.06)
            assert (
                page.evaluate("Array.from(lamina.app.beats.anomalous).reduce((a, b) => a + b)") == 2
            )
            assert "beat marked as anomalous" in page.locator("#legend").inner_text()

    def test_times_are_those_of_the_clock(self, browser, tmp_path):
        import pandas as pd

        times = pd.date_range("2024-03-29", periods=2000, freq="5min", tz="Europe/Berlin")
        times = times[:900].append(times[900:] + pd.Timedelta("3h"))
        recording, scores = made_up(
            2000, 1, 1 / 300, odd=(500, 1500), units=["°C"], times=times, name="plant"
        )
        written(tmp_path, recording, scores, window=24)
        with opened(browser, tmp_path / "report.html") as page:
            for sample in (0, 100, 899, 900, 1234, 1999):
                shown = page.evaluate(f"lamina.app.clock.text({sample})")
                assert shown == str(times[sample])[:19]
            text = page.locator("body").inner_text()
            assert "5-minute values" in text and "6 days 23 h" in text and "the clock jumps" in text
            assert page.is_hidden("#paper")

    def test_summer_time_begins_where_it_does(self, browser, tmp_path):
        import pandas as pd

        times = pd.date_range("2024-03-01", periods=60_000, freq="min", tz="Europe/Berlin")
        recording, scores = made_up(60_000, 1, 1 / 60, units=["bar"], times=times)
        written(tmp_path, recording, scores)
        with opened(browser, tmp_path / "report.html") as page:
            change = int(times.searchsorted(pd.Timestamp("2024-03-31 03:00", tz="Europe/Berlin")))
            for sample in range(change - 3, change + 3):
                shown = page.evaluate(f"lamina.app.clock.text({sample})")
                assert shown == str(times[sample])[:19]

    @pytest.mark.parametrize("kind", ODD)
    def test_odd_recordings_are_drawn(self, browser, tmp_path, kind):
        recording, scores = ODD[kind]()
        written(tmp_path, recording, scores, window=min(90, max(2, recording.length // 3)))
        assert (tmp_path / "report.html").stat().st_size < 3_000_000
        with opened(browser, tmp_path / "report.html") as page:
            page.keyboard.press("n")
            for _ in range(3):
                page.keyboard.press("+")
                span(page)
            page.keyboard.press("e")
            page.keyboard.press("g")
            page.fill("#threshold", "0.7")
            page.press("#threshold", "Enter")
            box = page.locator("#score-lane .u-over").bounding_box()
            page.mouse.move(box["x"] + 200, box["y"] + 40)
            page.keyboard.press("0")
            span(page)
            assert page.locator("#detail canvas").count() == min(len(recording.leads), 32) + 1

    def test_the_command_that_is_shown_gives_what_is_shown(self, browser, tmp_path):
        from typer.testing import CliRunner

        from lamina_cli._app import app

        path = tmp_path / "it's a series.csv"
        lines = [f"{v:.4f}" for v in pulses(9000, odd=(20, 40, 41, 77), noise=0.03)]
        path.write_text("value\n" + "\n".join(lines))
        words = ["detect", str(path), "--out", str(tmp_path / "out"), "--shapes", "20"]
        assert CliRunner().invoke(app, words).exit_code == 0
        with opened(browser, tmp_path / "out" / "report.html") as page:
            x, y = middle_of(page, ".handle")
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x, y + 9, steps=3)
            page.mouse.up()
            words = shlex.split(page.locator("#command").inner_text())
            peaks = page.evaluate("lamina.app.events.map(e => [e.peak, e.start, e.end, +e.alarm])")
            said = page.locator("#verdict").inner_text()
        assert words[0] == "lamina" and "--threshold" in words
        assert CliRunner().invoke(app, words[1:]).exit_code == 0
        with (tmp_path / "out" / "events.csv").open() as file:
            rows = [row for row in csv.DictReader(file) if row["kind"] == "anomaly"]
        names = ("peak", "start", "end", "alarm")
        assert [[int(row[name]) for name in names] for row in rows] == peaks
        with opened(browser, tmp_path / "out" / "report.html") as page:
            assert page.locator("#verdict").inner_text() == said
            assert shlex.split(page.locator("#command").inner_text()) == words


# The part of each chart's canvas that is not empty.
PAINTED = """[...document.querySelectorAll("#detail canvas")].map(canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let painted = 0;
  for (let i = 3; i < data.length; i += 4) if (data[i]) painted++;
  return painted / (data.length / 4);
})"""
# The lowest and the highest that the first chart draws.
LIMITS = """(() => {
  const lane = lamina.app.lanes.lanes[0];
  const lines = lane.plot.data.slice(1).flatMap(a => Array.from(a));
  const bars = lane.bars.filter((_, k) => k % 4 > 1);
  const there = [...lines, ...bars].filter(v => v !== null && !Number.isNaN(v));
  return [Math.min(...there), Math.max(...there)];
})()"""


def drag(page, box, start, stop):
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + start * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + stop * box["width"], y, steps=8)
    page.mouse.up()


def saved(page, button):
    with page.expect_download() as download:
        page.click(button)
    return download.value.path().read_bytes()


def give(page, text):
    file = {"name": "marks.json", "mimeType": "application/json", "buffer": text.encode()}
    page.set_input_files("#import", [file])
    page.wait_for_timeout(100)


def breaks(page):
    """What axe-core finds against the rules of accessible pages."""
    from axe_playwright_python.sync_playwright import Axe

    return [
        (found["id"], [node["html"][:120] for node in found["nodes"]])
        for found in Axe().run(page).response["violations"]
    ]


@pytest.mark.parametrize(
    ("times", "text"), [(np.array([0.0, 4196.0]), "4196"), (np.array([0.0, 0.125]), "0.125")]
)
def test_times_that_are_numbers_stand_as_numbers(times, text):
    assert time_of(Recording.from_array(np.zeros(2), times=times), 1) == text
