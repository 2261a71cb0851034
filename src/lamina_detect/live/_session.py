"""Lines in, results out: full blocks at once, the rest when it is due."""

import datetime
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from lamina_detect._common import BadInput
from lamina_detect.live._alarms import AlarmRule, Change
from lamina_detect.live._lines import BadLine, LineParser, Sample
from lamina_detect.live._sinks import Batch, Sink
from lamina_detect.live._watch import Watch
from lamina_detect.results import Tail


class Session:
    """Scores what comes and hands the results on.

    Args:
        watched: The model, perhaps with a state.
        parser: Of lines.
        rule: Of alarms.
        sinks: Where results go.
        path: Of the state file.
        strict: Whether a line that is no sample ends the run.
        tail: Of the causal score, where the model knows it: how rare an alarm is.
    """

    def __init__(
        self,
        watched: Watch,
        parser: LineParser,
        rule: AlarmRule,
        sinks: Sequence[Sink],
        path: str | os.PathLike[str] | None,
        strict: bool = False,
        tail: Tail | None = None,
    ) -> None:
        self.watched, self.parser, self.rule, self.sinks = watched, parser, rule, sinks
        self.path, self.strict, self.tail = path, strict, tail
        self.rows: list[Sample] = []
        self.lines, self.bad = watched.done, 0
        self._resume()
        self._acknowledge()

    def _resume(self) -> None:
        kept = self.watched.session
        if not kept:
            return
        self.rule.load_state(kept["alarms"])
        self.lines = int(kept["lines"])
        if kept["header"] is not None:
            self.parser.read_header(kept["header"])

    @property
    def behind(self) -> bool:
        """Whether something is not reported, or not saved."""
        return len(self.rows) > 0 or self._unsaved

    @property
    def _unsaved(self) -> bool:
        return self.path is not None and self.kept != (self.watched.done, self.lines)

    def add(self, lines: Iterable[str]) -> None:
        """The next lines."""
        for line in lines:
            self.lines += 1
            try:
                sample = self.parser.parse(line)
            except BadLine as error:
                self._skip(str(error))
                continue
            if sample is None:
                if self.strict and self.parser.notes:
                    raise BadInput(f"line {self.lines}: not numbers; {self.parser.notes[0]}")
                continue
            self.rows.append(sample)
            if (self.watched.done + len(self.rows)) % self.watched.stream.block == 0:
                self._report()

    def _skip(self, reason: str) -> None:
        if self.strict:
            raise BadInput(f"line {self.lines}: {reason}")
        self.bad += 1
        for sink in self.sinks:
            sink.skipped(self.lines, reason)

    def catch_up(self) -> None:
        """Report the samples that wait for a full block; save."""
        if self.rows:
            self._report()
        if self.path is not None and self._unsaved:
            self.watched.session = {
                "alarms": self.rule.state,
                "lines": self.lines,
                "header": self.parser.header,
            }
            self.watched.save(self.path)
            self._acknowledge()

    def finish(self) -> None:
        """The line has ended. Without a state file, from which it may go on, an alarm has too."""
        self.catch_up()
        alarm = self.rule.open
        if alarm is None or self.path is not None:
            return
        done = self.watched.done
        event = self._event(Change(done, alarm, True))
        event |= {"end": done if alarm.end is None else alarm.end, "cut": True}
        leads = len(self.rule.leads)
        nothing = np.zeros((0, leads)), np.zeros((0, leads + 1))
        self._hand_on(Batch(done, *nothing, (), [(done, event)]))

    def _report(self) -> None:
        first, values = self.watched.done, np.array([r.values for r in self.rows], "float32")
        stamps = [r.stamp for r in self.rows]
        scores = self.watched.push(values)
        self.rows = []
        changes = self.rule.add(first, scores, stamps)
        events = [(change.sample, self._event(change)) for change in changes]
        self._hand_on(Batch(first, values[:, self.watched.stream.used], scores, stamps, events))

    def _hand_on(self, batch: Batch) -> None:
        for sink in self.sinks:
            sink.take(batch)

    def _event(self, change: Change) -> dict[str, Any]:
        """An alarm that begins or has ended, as plain JSON."""
        alarm = change.alarm
        event: dict[str, Any] = {
            "event": "end" if change.ended else "start",
            "id": alarm.number,
            "start": alarm.start,
            "peak": alarm.peak,
            "end": alarm.end if change.ended else None,
            "highest": alarm.score,
            "lead": alarm.lead,
            "threshold": self.rule.threshold,
        }
        if self.tail is not None:
            event["one_in"] = float(f"{self.tail.one_in(alarm.score):.3g}")
        if alarm.start_stamp is not None:
            event |= {"start_time": alarm.start_stamp, "peak_time": alarm.peak_stamp}
            event |= {"end_time": alarm.end_stamp} if change.ended else {}
        now = datetime.datetime.now().astimezone()
        return event | {"at": now.isoformat(timespec="milliseconds")}

    def _acknowledge(self) -> None:
        self.kept = self.watched.done, self.lines
        for sink in self.sinks:
            sink.saved(*self.kept)
