"""What the page computes with: pieces of the recording, events, times, annotations."""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamina_detect._common import runs
from lamina_detect.results._events import (
    FLOOR,
    JOINED,
    LONGEST,
    MAX_EVENTS,
    MIN_EVENTS,
    TAIL,
    Event,
    highest_peaks,
    tail_of,
)
from lamina_detect.results._page_times import page_times
from lamina_detect.results._pieces import MOST_LEADS, SCORE_STEP, pieces_of, scales_of, text_of
from lamina_detect.results._view import Command, View

FORMAT = 1
# Leads of an event: those that score at least this part of what the highest one does; at most so
# many are named.
ALSO, MOST_NAMED = 0.5, 6
# Gaps and flat stretches, and annotations, that are drawn.
MOST_CONDITIONS, MOST_BEATS, MOST_LABELS = 2000, 60_000, 2000


def page_data(
    view: View, events: Sequence[Event], run: Mapping[str, Any], command: Command
) -> dict[str, Any]:
    """As plain values, for JSON."""
    recording, summary = view.recording, view.summary
    anomalies = [event for event in events if event.kind == "anomaly"]
    heights, places = highest_peaks(summary.maxima)
    own, named = leading(view, places)
    shown = shown_leads(view, anomalies)
    scales = scales_of(view, shown)
    tail = tail_of(summary.maxima)
    pieces = pieces_of(view, [int(p) for p in places], shown)
    return {
        "format": FORMAT,
        "id": fingerprint(view, heights, places),
        "name": recording.name,
        "length": recording.length,
        "rate": recording.rate,
        "window": summary.window,
        "leads": [_lead(view, lead, scale) for lead, scale in zip(shown, scales, strict=True)],
        "names": list(summary.leads),
        "score_step": SCORE_STEP,
        "pieces": [piece.packed(scales) for piece in pieces],
        "times": page_times(recording),
        "rule": {
            "joined": JOINED,
            "longest": LONGEST,
            "floor": FLOOR,
            "listed": MIN_EVENTS,
            "most": MAX_EVENTS,
        },
        "tail": {"middle": tail.middle, "high": tail.high, "part": TAIL, "windows": tail.windows},
        "peaks": {
            "place": text_of(places.astype("<f8")),
            "height": text_of(heights.astype("<f8")),
            "between": text_of(_between(summary.maxima, places).astype("<f8")),
            "lead": own.tolist(),
            "leads": named,
        },
        "events": [_event(event) for event in anomalies],
        "conditions": [
            [e.kind, list(summary.leads).index(e.lead), e.start, e.end]
            for e in events
            if e.kind != "anomaly"
        ][:MOST_CONDITIONS],
        "beats": _beats(view),
        "labels": _labels(recording.labels),
        "threshold": run["threshold"],
        "causal_threshold": run["causal_threshold"],
        "false_alarms": run["false_alarms_a_window"],
        "stated": run["threshold_stated"],
        "command": command,
    }


def fingerprint(view: View, heights: np.ndarray, places: np.ndarray) -> str:
    """Which scores marks belong to: those of this recording by this model, at any threshold."""
    digest = hashlib.sha256(repr((view.recording.length, view.summary.leads)).encode())
    for numbers in (heights, places):
        digest.update(np.ascontiguousarray(numbers).tobytes())
    return digest.hexdigest()[:16]


def leading(view: View, places: np.ndarray) -> tuple[np.ndarray, list[list[int]]]:
    """Of each peak the lead that scores highest, and all that score at least half as high."""
    own, named = np.zeros(len(places), int), [[0] for _ in places]
    # In their order in the file: what is read for one peak is mostly there for the next.
    for number in np.argsort(places).tolist():
        place = int(places[number])
        values = np.nan_to_num(view.values(place, place + 1)[0, :-1], nan=-np.inf)
        order = np.argsort(-values, kind="stable")
        own[number] = order[0]
        also = [int(k) for k in order[:MOST_NAMED] if values[k] >= ALSO * values[order[0]]]
        named[number] = also or [int(order[0])]
    return own, named


def shown_leads(view: View, anomalies: Sequence[Event]) -> list[int]:
    """The leads that are drawn: all; of very many, those of the highest events."""
    names = list(view.summary.leads)
    wanted = [*(names.index(event.lead) for event in anomalies), *range(len(names))]
    return sorted(list(dict.fromkeys(wanted))[:MOST_LEADS])


def _lead(view: View, lead: int, scale: Any) -> dict[str, Any]:
    name = view.summary.leads[lead]
    unit = view.recording.units[list(view.recording.leads).index(name)]
    return {
        "name": name,
        "unit": unit,
        "number": lead,
        "offset": scale.offset,
        "step": scale.step,
    }


def _between(maxima: Any, places: np.ndarray) -> np.ndarray:
    """From each peak to the next in time: the lowest of the windows' highest scores."""
    order = np.sort(places)
    blocks = order // maxima.window
    return np.array(
        [maxima.heights[first : last + 1].min() for first, last in itertools.pairwise(blocks)]
    )


def _event(event: Event) -> dict[str, Any]:
    return {
        "start": event.start,
        "end": event.end,
        "peak": event.peak,
        "score": event.score,
        "alarm": event.alarm,
        "one_in": event.one_in,
        "expert": event.expert,
        "lead": event.lead,
        "nearest": _usual(event),
    }


def _usual(event: Event) -> dict[str, Any] | None:
    """The usual shape that is nearest to the event, in its lead."""
    shape = event.nearest and event.nearest.of(event.lead)
    if not event.nearest or not shape:
        return None
    values = [float(f"{value:.4g}") for value in shape.usual]
    place = {"start": event.nearest.start, "every": event.nearest.every}
    return {"lead": event.lead, **place, "usual": values, "distance": shape.distance}


def _beats(view: View) -> dict[str, str] | None:
    """Annotated beats; of very many those that are anomalous, and as many others as fit."""
    beats = view.recording.beats
    if beats is None:
        return None
    keep = np.arange(len(beats.samples))
    if len(keep) > MOST_BEATS:
        unusual = np.flatnonzero(beats.anomalous)[:MOST_BEATS]
        others = np.setdiff1d(keep, unusual)
        every = max(1, -(-len(others) // max(1, MOST_BEATS - len(unusual))))
        keep = np.sort(np.concatenate([unusual, others[::every]]))
    return {
        "place": text_of(np.asarray(beats.samples)[keep].astype("<u4")),
        "anomalous": text_of(np.asarray(beats.anomalous)[keep].astype("u1")),
    }


def _labels(labels: np.ndarray | None) -> list[list[int]]:
    """Stretches that the file marks."""
    if labels is None:
        return []
    return np.stack(runs(labels), 1)[:MOST_LABELS].tolist()
