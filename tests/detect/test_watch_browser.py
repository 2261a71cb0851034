"""The live page in headless Chromium: followed, zoomed, on a phone, in the dark."""

import contextlib
import math

import numpy as np
import pytest

from lamina_detect.live import Batch, Line, Page
from tests.detect.browser import chromium, needs_browser

# The page does not depend on the backend.
pytestmark = [needs_browser, pytest.mark.slow, pytest.mark.tensorflow]

HOSTILE = "<img src=x onerror=alert(1)>"
LINE = Line(("MLII", HOSTILE), ("mV", ""), 250.0, 100, 4.0, 400, 0, "mark")


@pytest.fixture
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def live():
    page = Page("127.0.0.1:0")
    page.open(LINE)
    yield page
    page.close()


@contextlib.contextmanager
def shown(browser, live, restarts=False, **options):
    """The live page. At its end: no error was printed, and no other host was asked."""
    options.setdefault("viewport", {"width": 1280, "height": 900})
    context = browser.new_context(**options)
    page, wrong = context.new_page(), []
    page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append("a dialog"))
    page.on(
        "request", lambda r: None if r.url.startswith((live.url, "data:")) else wrong.append(r.url)
    )
    page.goto(live.url)
    yield page
    context.close()
    # While nobody serves, the browser says so.
    assert not [w for w in wrong if not (restarts and "ERR_CONNECTION" in w)], wrong


def feed(live, first=0, seconds=10, alarm=None, stamps=None):
    """Pieces of a tenth of a second each, as `watch` reports them, but at once."""
    for start in range(first, first + 250 * seconds, 25):
        at = np.arange(start, start + 25)
        samples = np.stack([np.sin(at / 10), np.cos(at / 25)], 1)
        score = np.where((at > 1000) & (at < 1200), 6.0, 0.5)
        times = [stamps(int(i)) if stamps else None for i in at]
        events = [(alarm["start"], alarm)] if alarm and alarm["start"] in at else []
        live.take(Batch(start, samples, np.stack([score] * 3, 1), times, events))


def alarm_of(kind="start", **more):
    told = {"event": kind, "id": 1, "start": 1001, "peak": 1100, "end": None, "highest": 6.0}
    return {**told, "lead": HOSTILE, "threshold": 4.0, "one_in": 830.0, **more}


def wait_for_samples(page, count):
    page.wait_for_selector(f'html[data-received="{count}"]', state="attached")


def wait_for_state(page, text):
    page.wait_for_selector(f"#state:has-text({text!r})")


def test_every_sample_arrives_and_an_alarm_is_told(browser, live):
    with shown(browser, live) as page:
        wait_for_state(page, "live")
        feed(live, seconds=10, alarm=alarm_of())
        wait_for_samples(page, 2500)
        assert page.inner_text("#alarm").startswith("Alarm 1 since 0:04.0")
        # Markup in a name stays text.
        assert HOSTILE in page.inner_text("#alarms") and HOSTILE in page.inner_text("#charts")
        assert page.locator("img").count() == 0
        assert page.title().startswith("ALARM")
        live.take(Batch(2500, *nothing(), (), [(2500, alarm_of("end", end=1250))]))
        live.skipped(17, "not numbers: '<b>'")
        page.wait_for_selector("#bad li")
        assert page.inner_text("#bad li") == "line 17: not numbers: '<b>'"
        assert not page.is_visible("#alarm") and not page.title().startswith("ALARM")
        live.ended()
        wait_for_state(page, "ended")
        assert page.evaluate("document.documentElement.dataset.lost") == "0"


def nothing():
    return np.zeros((0, 2)), np.zeros((0, 3))


def test_who_comes_late_sees_what_there_was(browser, live):
    feed(live, seconds=10, alarm=alarm_of())
    with shown(browser, live) as page:
        wait_for_samples(page, 2500)
        assert page.locator("#alarms tbody tr").count() == 1


def test_drag_zooms_and_double_click_follows_again(browser, live):
    feed(live, seconds=20)
    with shown(browser, live) as page:
        wait_for_samples(page, 5000)
        plot = page.locator(".u-over").first
        box = plot.bounding_box()
        page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 40, steps=5)
        page.mouse.up()
        assert page.get_attribute("#pause", "aria-pressed") == "true"
        assert page.evaluate("frozen[1] - frozen[0]") == pytest.approx(
            page.evaluate("span") / 4, rel=0.02
        )
        plot.dblclick(position={"x": 100, "y": 40})
        assert page.get_attribute("#pause", "aria-pressed") == "false"


def test_an_alarm_in_the_table_is_gone_to_by_keyboard(browser, live):
    feed(live, seconds=40, alarm=alarm_of(end=1250))
    with shown(browser, live) as page:
        wait_for_samples(page, 10000)
        page.focus("#alarms button")
        page.keyboard.press("Enter")
        first, last = page.evaluate("frozen")
        assert first < 1001 and last > 1250 and last - first < 2000


def test_the_value_under_the_pointer_is_shown(browser, live):
    feed(live, seconds=40)
    with shown(browser, live) as page:
        wait_for_samples(page, 10000)
        page.locator(".u-over").first.hover()
        text = page.inner_text("#charts .name span:last-child >> nth=0")
        value, _, place = text.partition(" at 0:")
        seconds = float(place)
        assert float(value) == pytest.approx(math.sin(seconds * 25), abs=0.6)


def test_times_of_the_line_are_the_times_of_the_page(browser, live):
    with shown(browser, live, timezone_id="Asia/Tokyo") as page:
        feed(live, seconds=10, stamps=lambda i: f"2026-03-01 10:{i // 250:02d}:00")
        wait_for_samples(page, 2500)
        assert page.inner_text("#last") == "2026-03-01 10:09:00"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_by_day_and_night(browser, live, scheme):
    feed(live, seconds=10, alarm=alarm_of(), stamps=lambda i: "2026-03-01 10:00:00")
    size = {"width": 390, "height": 844}
    with shown(browser, live, viewport=size, color_scheme=scheme) as page:
        wait_for_samples(page, 2500)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        light = sum(map(int, background[4:-1].split(","))) > 3 * 128
        assert light == (scheme == "light")


def test_a_line_that_starts_again_is_followed_again(browser, live, monkeypatch):
    monkeypatch.setattr("lamina_detect.live._server.RETRY", 300)
    feed(live, seconds=10)
    with shown(browser, live, restarts=True) as page:
        wait_for_samples(page, 2500)
        live.close()
        wait_for_state(page, "ended")
        again = Page(live.url.removeprefix("http://").strip("/"))
        again.open(LINE)
        feed(again, seconds=4)
        wait_for_samples(page, 1000)
        assert page.inner_text("#state") == "live"
        again.close()
