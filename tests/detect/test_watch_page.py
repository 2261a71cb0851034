"""The live page: what it serves, to whom, and that nothing is lost."""

import http.client
import json
import threading
import time

import numpy as np
import pytest

from lamina_detect import BadInput
from lamina_detect.live import Batch, Line, Page
from lamina_detect.live._address import address_of
from lamina_detect.live._history import History

httpx = pytest.importorskip("httpx", reason="needs lamina[serve] and httpx")
pytest.importorskip("uvicorn", reason="needs lamina[serve]")

pytestmark = pytest.mark.tensorflow  # The server knows no backend: once is enough.

LINE = Line(("MLII", "<b>V5"), ("mV", ""), 250.0, 100, 4.0, 400, 0, "mark")
TOKEN = "a-token-that-nobody-guesses"


def piece(first, count=100, events=()):
    samples = np.arange(2 * count).reshape(count, 2) + first * 2.0
    scores = np.full((count, 3), 0.5)
    return Batch(first, samples, scores, [None] * count, events)


@pytest.fixture
def page():
    page = Page("127.0.0.1:0")
    page.open(LINE)
    yield page
    page.close()


@pytest.fixture
def guarded():
    page = Page("127.0.0.1:0", token=TOKEN)
    page.open(LINE)
    yield page
    page.close()


class Watcher(threading.Thread):
    """Reads the events to their end, as a browser does."""

    def __init__(self, url, headers=None):
        super().__init__()
        self.url, self.headers, self.messages, self.last = url, headers or {}, [], ""
        self.there = threading.Event()

    def run(self):
        kind = ""
        with httpx.stream("GET", f"{self.url}events", headers=self.headers, timeout=60) as answer:
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    kind = value
                elif name == "id":
                    self.last = value
                elif name == "data":
                    self.messages.append((kind, json.loads(value)))
                    self.there.set()

    @property
    def samples(self):
        """The first lead's samples, as they came."""
        return [v for kind, data in self.messages if kind == "samples" for v in data["x"][0]]


def watch_all(page, watchers):
    for watcher in watchers:
        watcher.start()
    for watcher in watchers:
        assert watcher.there.wait(60)


def test_a_watcher_is_told_everything_in_order(page):
    page.take(piece(0))
    early = Watcher(page.url)
    watch_all(page, [early])
    alarm = {"event": "start", "id": 1, "start": 130}
    page.take(piece(100, events=[(130, alarm)]))
    page.skipped(17, "not numbers")
    page.take(piece(200))
    page.ended()
    early.join(60)
    late = Watcher(page.url)
    assert [kind for kind, _ in early.messages] == [
        "line", "samples", "samples", "alarm", "skipped", "samples", "end",
    ]  # fmt: skip
    first = early.messages[0][1]["line"]
    assert first["leads"] == ["MLII", "<b>V5"] and first["threshold"] == 4.0
    assert early.samples == list(range(0, 600, 2))
    assert ("alarm", alarm) in early.messages
    late.start()
    late.join(60)
    assert late.messages[0][1]["line"]["alarms"] == [alarm]
    assert late.messages[1:] == early.messages[1:]


def test_who_comes_back_goes_on_where_it_was(page):
    page.take(piece(0))
    page.take(piece(100))
    page.ended()
    first = Watcher(page.url)
    first.start()
    first.join(60)
    run, number = first.last.split("-")
    again = Watcher(page.url, {"Last-Event-ID": f"{run}-{int(number) - 1}"})
    other = Watcher(page.url, {"Last-Event-ID": "another-0"})
    for watcher in (again, other):
        watcher.start()
        watcher.join(60)
    assert again.samples == list(range(200, 400, 2))
    assert other.samples == first.samples


def test_what_is_too_long_ago_is_counted():
    history = History(lambda: None, most=250)
    for number in range(10):
        history.add(f"{number}" * 100)
    kept, gone = history.since(3)
    assert [number for number, _ in kept] == [8, 9] and gone == 5
    assert history.since(10) == ([], 0)


def feed(page, seconds, rate=1000):
    """Samples at `rate` a second, ten pieces a second, as `watch` reports them."""
    count = rate // 10
    began = time.monotonic()
    for number in range(10 * seconds):
        time.sleep(max(0.0, began + number / 10 - time.monotonic()))
        page.take(piece(number * count, count))
    page.ended()
    return list(range(0, 2 * rate * seconds, 2))


@pytest.mark.slow
def test_ten_watchers_at_a_thousand_samples_a_second_miss_nothing(page):
    watchers = [Watcher(page.url) for _ in range(10)]
    watch_all(page, watchers)
    sent = feed(page, seconds=10)
    for watcher in watchers:
        watcher.join(60)
        assert watcher.samples == sent
        assert watcher.messages[-1][0] == "end"
        assert "lost" not in {kind for kind, _ in watcher.messages}


def test_two_addresses_and_no_file(page):
    answer = httpx.get(page.url)
    assert answer.status_code == 200 and "{{nonce}}" not in answer.text and "/*" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    # Raw: a client would tidy the path.
    address = page.url.removeprefix("http://").strip("/")
    for path in ("/../../etc/passwd", "/%2e%2e/etc/passwd", "/assets/live.js", "/events/x", "//x"):
        connection = http.client.HTTPConnection(address)
        connection.request("GET", path)
        assert connection.getresponse().status == 404
        connection.close()
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert httpx.request(method, page.url).status_code == 405


def test_a_page_elsewhere_that_gives_itself_this_address_is_refused(page):
    for host in ("example.org", "example.org:80", "localhost.example.org", ""):
        for path in ("", "events"):
            assert httpx.get(page.url + path, headers={"Host": host}).status_code in (400, 403)
    port = page.url.rsplit(":", 1)[1].strip("/")
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", "localhost"):
        assert httpx.get(page.url, headers={"Host": host}).status_code == 200


def test_with_a_token_nobody_without_it_sees_anything(guarded):
    for path in ("", "events", "?token=", "events?token=wrong", "?token=" + TOKEN[:-1]):
        assert httpx.get(guarded.url + path).status_code == 401
    for headers in ({"Authorization": "Bearer x"}, {"Cookie": "lamina-1=x"}, {"Cookie": TOKEN}):
        assert httpx.get(guarded.url, headers=headers).status_code == 401
    assert TOKEN not in guarded.url


def test_with_the_token_the_page_is_shown_and_a_cookie_remembers_it(guarded):
    with httpx.Client(base_url=guarded.url) as client:
        answer = client.get("/", params={"token": TOKEN})
        assert answer.status_code == 303 and answer.headers["location"] == "/"
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=strict" in cookie and TOKEN not in cookie
        assert client.get("/").status_code == 200
    guarded.ended()
    watcher = Watcher(guarded.url, {"Authorization": f"Bearer {TOKEN}"})
    watcher.start()
    watcher.join(60)
    assert watcher.messages[-1] == ("end", {})


@pytest.mark.parametrize(
    "text", ["127.0.0.1:80", "localhost:80", "[::1]:80", "127.9.9.9:80", ":80", "80"]
)
def test_this_machine_needs_no_token(text):
    assert address_of(text, None).port == 80


@pytest.mark.parametrize("text", ["0.0.0.0:80", "[::]:80", "192.168.1.2:80", "example.org:80"])
def test_any_other_address_needs_a_token(text):
    with pytest.raises(BadInput, match="give a --token"):
        address_of(text, None)
    with pytest.raises(BadInput, match="at least 16"):
        address_of(text, "short")
    assert address_of(text, TOKEN).port == 80


@pytest.mark.parametrize("text", ["", "localhost", "localhost:http", "127.0.0.1:99999", "a:b:c"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(BadInput, match="serve: write HOST:PORT"):
        address_of(text, TOKEN)


def test_an_address_that_is_taken_is_said(page):
    with pytest.raises(BadInput, match="cannot be served: "):
        Page(page.url.removeprefix("http://").strip("/"))
