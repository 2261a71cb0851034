"""Results as lines of JSON."""

import json
import math
from collections.abc import Callable, Iterator

from lamina_detect.live._sinks import Batch, Line, Sink


class JsonLines(Sink):
    """Writes a line for each sample, and lines for alarms, bad lines and what is saved.

    Args:
        write: Takes text.
        alarms_only: No line for each sample.
    """

    def __init__(self, write: Callable[[str], object], alarms_only: bool = False) -> None:
        self.write, self.alarms_only = write, alarms_only
        self.threshold = math.inf

    def open(self, line: Line) -> None:
        """Take the threshold."""
        self.threshold = math.inf if line.threshold is None else line.threshold

    def take(self, batch: Batch) -> None:
        """Write the next results."""
        text = "".join(self._lines(batch))
        if text:
            self.write(text)

    def skipped(self, number: int, reason: str) -> None:
        """Write that a line was no sample."""
        self.write(json.dumps({"line": number, "error": reason}) + "\n")

    def saved(self, samples: int, lines: int) -> None:
        """Write what is durable; how many lines that is, where it is not as many."""
        ack = {"ack": samples} if lines == samples else {"ack": samples, "lines": lines}
        self.write(json.dumps(ack) + "\n")

    def _lines(self, batch: Batch) -> Iterator[str]:
        events, at = list(batch.events), 0
        for sample, row in enumerate(batch.scores.tolist() if not self.alarms_only else (), 1):
            yield _sample_line(
                batch.first + sample - 1, row, self.threshold, batch.stamps[sample - 1]
            )
            while at < len(events) and events[at][0] < batch.first + sample:
                yield json.dumps(events[at][1]) + "\n"
                at += 1
        yield from (json.dumps(event) + "\n" for _, event in events[at:])


def _sample_line(sample: int, row: list[float], threshold: float, stamp: str | None) -> str:
    *leads, score = ("null" if math.isnan(v) else repr(v) for v in row)
    alarm = "true" if row[-1] >= threshold else "false"
    time = "" if stamp is None else f', "time": {json.dumps(stamp)}'
    return (
        f'{{"sample": {sample}, "score": {score}, "leads": [{", ".join(leads)}], '
        f'"alarm": {alarm}{time}}}\n'
    )
