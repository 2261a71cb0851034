"""The live page: what its watchers are sent."""

import json
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from lamina_detect.live._address import address_of, listen
from lamina_detect.live._history import History
from lamina_detect.live._server import Server
from lamina_detect.live._sinks import Batch, Line, Sink

# Alarms that a watcher who comes later is told of, and the skipped lines.
ALARMS, SKIPPED = 200, 20


class Page(Sink):
    """Serves the results as a page that follows the line.

    Watchers are sent server-sent events. `line` comes first: what is known, the last alarms and
    skipped lines. Then `samples` (`first`, `x` by lead, `score`, `time` of the first and last),
    `alarm`, `skipped`, `lost` (messages that are gone), and `end`.

    Args:
        serve: `HOST:PORT`, or a port of this machine alone.
        token: What others must know; needed where other machines can reach the address.
        stay: Go on serving when the line has ended, until interrupted.
        note: Takes what people should know: where the page is.
    """

    def __init__(
        self,
        serve: str,
        token: str | None = None,
        stay: bool = False,
        note: Callable[[str], object] = lambda text: None,
    ) -> None:
        self.stay, self.note = stay, note
        self._line: dict[str, Any] = {}
        self._alarms: dict[int, dict[str, Any]] = {}
        self._skipped: list[dict[str, Any]] = []
        address = address_of(serve, token)
        self.history = History(lambda: self.server.wake())
        self.server = Server(listen(address), address, token, self.history, self._first)

    @property
    def url(self) -> str:
        """Where the page is."""
        return self.server.url

    def open(self, line: Line) -> None:
        """Begin to serve."""
        self._line = {
            "leads": list(line.leads),
            "units": list(line.units),
            "rate": line.rate,
            "window": line.window,
            "threshold": line.threshold,
            "calm": line.calm,
            "first": line.done,
        }
        self.server.start()
        self.note(f"live page: {self.url}")

    def take(self, batch: Batch) -> None:
        """Send the next results."""
        if len(batch.samples):
            self.history.add(_message("samples", _samples(batch)))
        for _, event in batch.events:
            self._alarms[event["id"]] = event
            while len(self._alarms) > ALARMS:
                del self._alarms[next(iter(self._alarms))]
            self.history.add(_message("alarm", json.dumps(event)))

    def skipped(self, number: int, reason: str) -> None:
        """Send that a line was no sample."""
        told = {"line": number, "reason": reason}
        self._skipped = [*self._skipped, told][-SKIPPED:]
        self.history.add(_message("skipped", json.dumps(told)))

    def ended(self) -> None:
        """Tell the watchers; with `stay`, wait for the interrupt."""
        self.history.end()
        if self.stay:
            self.note("the line has ended; the page stays until Ctrl-C")
            self.server.join()

    def close(self) -> None:
        """Serve what is left to who still watches, for a few seconds, and stop."""
        self.history.end()
        self.server.stop()

    def _first(self) -> str:
        alarms, skipped = list(self._alarms.values()), self._skipped
        return json.dumps({**self._line, "alarms": alarms, "skipped": skipped})


def _message(event: str, data: str) -> str:
    return f"event: {event}\ndata: {data}\n\n"


def _samples(batch: Batch) -> str:
    leads = ",".join(f"[{_numbers(x)}]" for x in batch.samples.T)
    times = ""
    if batch.stamps[0] is not None:
        times = f',"time":{json.dumps([batch.stamps[0], batch.stamps[-1]])}'
    score = _numbers(batch.scores[:, -1])
    return f'{{"first":{batch.first},"x":[{leads}],"score":[{score}]{times}}}'


def _numbers(values: np.ndarray) -> str:
    # float32 holds 7 digits.
    each: Iterable[float] = values.tolist()
    return ",".join(f"{v:.7g}" if math.isfinite(v) else "null" for v in each)
