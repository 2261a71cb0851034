"""Alarms to a program or a web address, while the scoring goes on."""

import http.server
import json
import sys
import threading
import time

import numpy as np
import pytest

from lamina_detect import BadInput
from lamina_detect.live import Batch, Line, Notifier, Program, Webhook
from lamina_detect.live._notify import WAITING, Undelivered

pytestmark = pytest.mark.tensorflow  # Nothing here knows the backend: once is enough.

LINE = Line(("x",), ("",), 10.0, 50, 4.0, 200, 0, "mark")


def event(number, start=0, kind="start"):
    return {"event": kind, "id": number, "start": start, "lead": "x; touch /tmp/$(id) `id`"}


def batch(*events):
    nothing = np.zeros((0, 1)), np.zeros((0, 2))
    return Batch(0, *nothing, (), [(e["start"], e) for e in events])


def wait_for(condition):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


class Receiver:
    """Fails as often as it is told to, then takes the events."""

    def __init__(self, failures=0, again=True):
        self.failures, self.again, self.got, self.keys, self.notes = failures, again, [], [], []

    def __call__(self, text, key):
        self.keys.append(key)
        if self.failures:
            self.failures -= 1
            raise Undelivered("not now", self.again)
        self.got.append(json.loads(text))

    def notifier(self, **options):
        notifier = Notifier(self, self.notes.append, retries=(0.01,) * 3, **options)
        notifier.open(LINE)
        return notifier

    @property
    def numbers(self):
        return [(e["id"], e["event"]) for e in self.got]


def test_each_alarm_is_sent_once():
    receiver = Receiver()
    notifier = receiver.notifier()
    notifier.take(batch(event(1), event(1, kind="end"), event(2, 50), event(2, kind="end")))
    notifier.close()
    assert receiver.numbers == [(1, "start"), (2, "start")] and not receiver.notes


def test_ends_are_sent_if_they_are_wanted():
    receiver = Receiver()
    notifier = receiver.notifier(ends=True)
    notifier.take(batch(event(1), event(1, kind="end")))
    notifier.close()
    assert receiver.numbers == [(1, "start"), (1, "end")]


def test_snoozed_alarms_are_not_sent_nor_their_ends():
    receiver = Receiver()
    # 20 s are 200 samples.
    notifier = receiver.notifier(ends=True, snooze="20s")
    for number, start in ((1, 0), (2, 199), (3, 200)):
        notifier.take(batch(event(number, start), event(number, start, "end")))
    notifier.close()
    assert [number for number, kind in receiver.numbers if kind == "start"] == [1, 3]
    assert [number for number, kind in receiver.numbers if kind == "end"] == [1, 3]


def test_a_receiver_that_is_in_trouble_is_asked_again_with_the_same_key():
    receiver = Receiver(failures=2)
    notifier = receiver.notifier()
    notifier.take(batch(event(1)))
    wait_for(lambda: receiver.got)
    notifier.close()
    assert receiver.numbers == [(1, "start")] and receiver.keys == [receiver.keys[0]] * 3


@pytest.mark.parametrize(("again", "tries"), [(True, 4), (False, 1)])
def test_what_is_not_taken_is_given_up_and_said(again, tries):
    receiver = Receiver(failures=100, again=again)
    notifier = receiver.notifier()
    notifier.take(batch(event(1)))
    wait_for(lambda: receiver.notes)
    notifier.close()
    assert len(receiver.keys) == tries
    assert receiver.notes == ["an alarm was not sent: not now"]


def test_whatever_goes_wrong_the_next_alarm_is_sent():
    receiver = Receiver()

    def broken(text, key):
        if json.loads(text)["id"] == 1:
            raise RuntimeError("a surprise")
        receiver(text, key)

    notifier = Notifier(broken, receiver.notes.append)
    notifier.open(LINE)
    notifier.take(batch(event(1), event(2)))
    notifier.close()
    assert receiver.numbers == [(2, "start")]
    assert receiver.notes == ["an alarm was not sent: RuntimeError: a surprise"]


def test_the_scoring_never_waits_and_the_oldest_are_dropped():
    free, receiver = threading.Event(), Receiver()

    def slow(text, key):
        free.wait()
        receiver(text, key)

    notifier = Notifier(slow, receiver.notes.append)
    notifier.open(LINE)
    notifier.take(batch(event(0)))
    wait_for(lambda: not notifier._waiting)
    # The receiver holds the first; these come at once, or this test would not end.
    for number in range(1, 2 * WAITING + 1):
        notifier.take(batch(event(number)))
    free.set()
    notifier.close()
    assert [n for n, _ in receiver.numbers] == [0, *range(WAITING + 1, 2 * WAITING + 1)]
    assert receiver.notes == [
        f"{WAITING} alarms were not sent: the receiver did not take them in time"
    ]


def test_a_program_gets_the_event_and_no_shell_sees_it(tmp_path):
    copy = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read()); open(sys.argv[2], 'w')"
    (tmp_path / "copy.py").write_text(copy)
    hostile = tmp_path / "a b; touch c"
    program = Program(f"{sys.executable} {tmp_path}/copy.py {tmp_path}/out '{hostile}'")
    program(json.dumps(event(1)), "key")
    assert json.loads((tmp_path / "out").read_text()) == event(1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a b; touch c", "copy.py", "out"]


def test_a_program_that_fails_or_hangs_is_said():
    with pytest.raises(Undelivered, match="ended with 3"):
        Program(f"{sys.executable} -c 'raise SystemExit(3)'")("{}", "key")
    with pytest.raises(Undelivered, match=r"had not ended after 0\.1 s"):
        Program(f"{sys.executable} -c 'import time; time.sleep(60)'", patience=0.1)("{}", "key")


@pytest.mark.parametrize("command", ["", "no-such-program --now", "'unbalanced"])
def test_a_program_that_is_not_there_is_refused_at_once(command):
    with pytest.raises(BadInput, match="exec: "):
        Program(command)


@pytest.fixture
def post_box():
    """A web server on the loopback that answers with what `answers` holds, then 200."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.got.append((json.loads(body), self.headers["Idempotency-Key"]))
            self.send_response(server.answers.pop(0) if server.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.got, server.answers = [], []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def address(server):
    return f"http://127.0.0.1:{server.server_address[1]}/alarms?secret=1"


def test_a_webhook_posts_the_event_and_tries_again(post_box):
    post_box.answers = [503, 429]
    notes = []
    webhook = Webhook(address(post_box))
    notifier = Notifier(webhook, notes.append, retries=(0.01,) * 3)
    notifier.open(LINE)
    notifier.take(batch(event(1)))
    notifier.close()
    webhook.close()
    assert [body for body, _ in post_box.got] == [event(1)] * 3
    assert {key for _, key in post_box.got} == {"mark-1-start"} and not notes


@pytest.mark.parametrize(("code", "again"), [(404, False), (302, False), (500, True), (429, True)])
def test_other_answers_are_failures(post_box, code, again):
    post_box.answers = [code]
    webhook = Webhook(address(post_box))
    with pytest.raises(Undelivered, match=rf"^127\.0\.0\.1 answered {code}$") as failed:
        webhook("{}", "key")
    webhook.close()
    assert failed.value.again == again


def test_nobody_who_answers_is_a_failure_that_may_pass(post_box):
    webhook = Webhook(address(post_box).replace(str(post_box.server_address[1]), "9"))
    with pytest.raises(Undelivered, match=r"^127\.0\.0\.1: ConnectError$") as failed:
        webhook("{}", "key")
    webhook.close()
    assert failed.value.again


# A line of them is of one kind.
NOWHERE = """
example.org ftp://example.org file:///etc/passwd http: http:// http:///x http://:80 http://user@
http://[1 http://[1] http://[::1 http://::1] http://1] http://[ http://[] http://256.1.1.1
http://* http://. http://a..b http://- http://a-.b http://a%20b http://a|b
http://a:x http://a:0 http://a:-1 http://a:65536
""".split()
LONG = (f"http://{'a' * 64}.org", f"http://{'a.' * 127}org")
SOMEWHERE = """
http://localhost https://example.org:443/alarms?a=[1] HTTP://Example.ORG. http://a_b-c.d
http://127.0.0.1:8000 http://[::1]:8000/x http://[fe80::1%25eth0]/ http://münchen.de
https://user:secret@example.org/
""".split()


@pytest.mark.parametrize("url", [*NOWHERE, *LONG, "", "http://a b", "http://a\n.org"])
def test_a_webhook_needs_a_web_address(url):
    with pytest.raises(BadInput, match="webhook: write an address"):
        Webhook(url)


@pytest.mark.parametrize("url", SOMEWHERE)
def test_web_addresses_are_taken(url):
    Webhook(url).close()
