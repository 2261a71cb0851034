"""The job from a saved detector and lines of text to results."""

import math
import os
import pathlib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lamina_detect._common import BadInput
from lamina_detect.live._alarms import AlarmRule, rule_for
from lamina_detect.live._json_lines import JsonLines
from lamina_detect.live._line_reader import LineReader
from lamina_detect.live._lines import LineParser
from lamina_detect.live._session import Session
from lamina_detect.live._sinks import Line, Sink
from lamina_detect.live._span import span_of
from lamina_detect.live._watch import Watch
from lamina_detect.model import BLOCK, Detector
from lamina_detect.results import FalseAlarms, Tail, causal_threshold_of

# Seconds until samples that wait for a full block are scored and saved all the same: at once to
# people, and few runs of a block that is mostly empty.
PATIENCE = 0.1


def watch(
    model: str | os.PathLike[str],
    lines: Iterable[str],
    write: Callable[[str], object],
    state: str | os.PathLike[str] | None = None,
    block: int = BLOCK,
    *,
    time_column: str | None = None,
    strict: bool = False,
    alarms_only: bool = False,
    false_alarms: float | str | None = None,
    calm: str | None = None,
    note: Callable[[str], object] | None = None,
    sinks: Sequence[Sink] = (),
) -> None:
    """Read samples from `lines`, and `write` one JSON line for each, with its causal score.

    `{"ack": n}` comes first, and whenever the state file has gone on: everything before sample n is
    durable. Started again, send the samples from n on. What came is reported and saved within a
    tenth of a second, also while nothing more comes. See docs/watch.md for the lines.

    Args:
        model: Path of the saved detector.
        lines: A sample each.
        write: Takes text.
        state: File that survives being killed.
        block: Samples that are run together.
        time_column: Its name in the header, its number from 1 on, or "none".
        strict: A line that is no sample is refused; else it is reported and skipped.
        alarms_only: No line for each sample.
        false_alarms: Another rate than the one that the model was made with.
        calm: Below the lower threshold for so long, an alarm has ended: `10s`, or samples. By
            default six windows.
        note: Takes what people should know, a line each.
        sinks: Further places where the results go.
    """
    detector = Detector.load(model)
    watched = Watch(detector, block)
    if state is not None and pathlib.Path(state).exists():
        watched.load(state)
    known, tail = detector.settings, _tail_of(detector)
    threshold = _threshold(detector, tail, false_alarms)
    quiet = None if calm is None else span_of(calm, "calm", known["rate"])
    rule = rule_for(threshold, tail, known["window"], known["leads"], quiet)
    parser = LineParser(_names(known), known.get("left_out", ()), time_column)
    every = [JsonLines(write, alarms_only), *sinks]
    try:
        for sink in every:
            sink.open(_line(known, watched, rule))
        session = Session(watched, parser, rule, every, state, strict, tail)
        _run(session, LineReader(lines), note or (lambda text: None))
        for sink in every:
            sink.ended()
    finally:
        for sink in every:
            sink.close()


def _run(session: Session, reader: LineReader, note: Callable[[str], object]) -> None:
    due = None
    while (got := reader.take(due and max(0.0, due - time.monotonic()))) is not None:
        session.add(got)
        while session.parser.notes:
            note(session.parser.notes.pop(0))
        if due and time.monotonic() >= due:
            session.catch_up()
            due = None
        if session.behind and due is None:
            due = time.monotonic() + PATIENCE
    session.finish()
    if session.bad:
        note(f"{session.bad:,} of {session.lines:,} lines were no samples, and were skipped")


def _line(known: Any, watched: Watch, rule: AlarmRule) -> Line:
    units = known.get("units") or [""] * watched.leads
    return Line(
        leads=known["leads"],
        units=[units[i] for i in watched.stream.used],
        rate=known["rate"],
        window=known["window"],
        threshold=rule.threshold if math.isfinite(rule.threshold) else None,
        calm=rule.calm,
        done=watched.done,
        mark=watched.mark,
    )


def _names(known: Any) -> list[str]:
    """All leads in the order of a line, those that are not scored too."""
    used, rest = known.get("used", range(len(known["leads"]))), list(known.get("left_out", ()))
    scored = dict(zip(used, known["leads"], strict=True))
    return [scored[i] if i in scored else rest.pop(0) for i in range(len(scored) + len(rest))]


def _tail_of(detector: Detector) -> Tail | None:
    """None: an older model does not know it."""
    return None if detector.tail is None else Tail(*detector.tail)


def _threshold(detector: Detector, tail: Tail | None, stated: float | str | None) -> float:
    if stated is None:
        return math.inf if detector.threshold is None else detector.threshold
    if tail is None:
        raise BadInput("false_alarms: the model does not know how rare a score is; learn it again")
    known = detector.settings
    rate = FalseAlarms.parse(stated).a_window(known["window"], known["rate"])
    threshold = causal_threshold_of(tail, rate)
    if not math.isfinite(threshold):
        raise BadInput(f"false_alarms: {tail.windows} windows were too few to state a rate")
    return threshold
