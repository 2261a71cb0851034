"""Alarms to somebody else, without the scoring ever waiting for it."""

import collections
import json
import threading
import time
from collections.abc import Callable
from typing import Any

from lamina_detect._common import first_line
from lamina_detect.live._sinks import Batch, Line, Sink
from lamina_detect.live._span import span_of

# Events that may wait: a receiver that is away for an evening does not fill the memory. When there
# are more the oldest goes, since the newest says how things stand.
WAITING = 100
# Seconds before each further try; then the event is given up.
RETRIES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
# Seconds that the end of the line waits for what is not sent yet.
PATIENCE = 10.0


class Undelivered(Exception):
    """It was not taken; `again`: whether another try may help."""

    def __init__(self, reason: str, again: bool) -> None:
        super().__init__(reason)
        self.again = again


class Notifier(Sink):
    """Sends each alarm once, when it begins, from a thread of its own.

    Args:
        send: Takes the event as JSON, and a key that is the same whenever the same event is sent;
            may raise `Undelivered`.
        note: Takes what people should know: what was given up or dropped.
        ends: Send also that an alarm has ended.
        snooze: After an alarm was sent, for so long (`10min`, or samples) no other is.
        retries: Seconds before each further try.
    """

    def __init__(
        self,
        send: Callable[[str, str], object],
        note: Callable[[str], object],
        ends: bool = False,
        snooze: str | None = None,
        retries: tuple[float, ...] = RETRIES,
    ) -> None:
        self.send, self.note, self.ends, self.snooze = send, note, ends, snooze
        self.retries, self.dropped = retries, 0
        self._waiting: collections.deque[tuple[str, str]] = collections.deque()
        self._changed = threading.Condition()
        self._closing: float | None = None
        self._quiet_until, self._span = -1, 0
        self._sent: set[int] = set()
        self._mark = ""
        self._thread = threading.Thread(target=self._work, daemon=True)

    def open(self, line: Line) -> None:
        """Start the thread."""
        self._mark = line.mark[:12]
        self._span = 0 if self.snooze is None else span_of(self.snooze, "snooze", line.rate)
        self._thread.start()

    def take(self, batch: Batch) -> None:
        """Queue what is to be sent; never waits."""
        for _, event in batch.events:
            if self._wanted(event):
                key = f"{self._mark}-{event['id']}-{event['event']}"
                self._put(json.dumps(event), key)

    def _wanted(self, event: dict[str, Any]) -> bool:
        number = event["id"]
        if event["event"] == "end":
            # Of what was not sent nobody needs the end; of one from before a restart, perhaps.
            return self.ends and (number in self._sent or not self._sent)
        if event["start"] < self._quiet_until:
            return False
        self._quiet_until = event["start"] + self._span
        self._sent = {number}
        return True

    def _put(self, text: str, key: str) -> None:
        with self._changed:
            if len(self._waiting) >= WAITING:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append((text, key))
            self._changed.notify()

    def close(self) -> None:
        """Wait a little for what is not sent yet; say what is lost."""
        if not self._thread.ident:
            return
        with self._changed:
            self._closing = time.monotonic() + PATIENCE
            self._changed.notify()
        self._thread.join(PATIENCE + 1)
        lost = self.dropped + len(self._waiting) + self._thread.is_alive()
        if lost:
            self.note(f"{lost} alarms were not sent: the receiver did not take them in time")

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing is not None)
                if not self._waiting:
                    return
                text, key = self._waiting.popleft()
            self._deliver(text, key)

    def _deliver(self, text: str, key: str) -> None:
        for pause in (*self.retries, None):
            try:
                self.send(text, key)
                return
            except Undelivered as error:
                if pause is None or not error.again or not self._sleep(pause):
                    self.note(f"an alarm was not sent: {error}")
                    return
            except Exception as error:
                # Whatever it is, the next alarm is tried.
                self.note(f"an alarm was not sent: {type(error).__name__}: {first_line(error)}")
                return

    def _sleep(self, seconds: float) -> bool:
        """Wait before the next try; False if the end of the line does not leave the time."""
        until = time.monotonic() + seconds
        with self._changed:
            while (now := time.monotonic()) < until:
                if self._closing is not None and until > self._closing:
                    return False
                self._changed.wait(until - now)
        return True
