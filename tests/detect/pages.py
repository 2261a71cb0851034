"""Reports of made-up scores: as `lamina detect` writes them, without a model."""

import dataclasses
import math

import numpy as np

from lamina_detect import Recording
from lamina_detect.results import (
    BlockMaxima,
    Command,
    LearnedShapes,
    ScoresFile,
    Summary,
    View,
    alarm_threshold,
    causal_threshold,
    columns_for,
    events_of,
    quality_of,
    tail_of,
    write_events,
    write_report,
    write_run,
)

BLOCK = 65_536
# Not the default: the pages shall not change with it.
RATE = 0.01


def written(folder, recording, scores, window=90, threshold=None, command="lamina detect rec"):
    """Writes a result to `folder`; returns `(events, run, view)`.

    `scores(start, stop, samples)` gives the leads' scores, that of all, and the causal one:
    `(n, leads + 2)`.
    """
    leads = tuple(recording.leads)
    summary = Summary(leads, recording.length, window, columns_for(len(leads), recording.length))
    file, maxima = ScoresFile(folder / "scores.parquet", recording, leads), BlockMaxima(window)
    for start in range(0, recording.length, BLOCK):
        stop = min(start + BLOCK, recording.length)
        samples = recording.read(start, stop)
        values = scores(start, stop, samples).astype("float32")
        file.add(values[:, :-1], values[:, -1])
        summary.add(samples, values[:, :-1], values[:, -1])
        maxima.add(values[:, -1])
    file.close()
    maxima.close()
    view = View(recording, summary.close(), file.read, file.read_causal)
    stated = threshold is not None
    level = threshold if stated else alarm_threshold(summary.maxima, RATE)
    events = events_of(summary, file.read, level)
    run = run_of(recording, events, level, causal_threshold(maxima, RATE), stated, summary)
    write_events(folder, recording, events)
    shapes = [LearnedShapes(np.eye(3, window), np.array([0.9, 0.099, 0.001])) for _ in leads[:1]]
    write_report(folder, view, events, shapes, run, Command(command, " --threshold ", ""))
    write_run(folder, run)
    return events, run, view


def run_of(recording, events, threshold, online, stated, summary):
    kinds = [event.kind for event in events]
    return {
        "recording": recording.name,
        "learned_from": recording.name,
        "notes": list(recording.notes),
        "settings": {"window": summary.window, "leads": list(recording.leads)},
        "left_out": [],
        "alarms": sum(event.alarm for event in events),
        "gaps": kinds.count("gap"),
        "clipped": kinds.count("clipped"),
        "flat": kinds.count("flat"),
        "threshold": threshold if math.isfinite(threshold) else None,
        "causal_threshold": online if math.isfinite(online) else None,
        "threshold_stated": stated,
        "false_alarms_a_window": RATE,
        "floor": 3.0,
        "windows": tail_of(summary.maxima, RATE).windows,
        "quality": quality_of(summary, None, recording.length),
        "against_annotations": None,
        "versions": {"lamina": "0"},
    }


def made_up(length=60_000, leads=2, rate=360.0, odd=(9000, 31_000, 52_000), seed=0, **more):
    """A recording of pulses, and scores that rise at the places `odd`."""
    rng = np.random.default_rng(seed)
    phase = (np.arange(length) % 300) / 300
    beat = np.exp(-(((phase - 0.3) / 0.02) ** 2)) + 0.2 * np.exp(-(((phase - 0.6) / 0.06) ** 2))
    x = np.stack([beat * (k + 1) for k in range(leads)], 1) + 0.02 * rng.standard_normal(
        (length, leads)
    )
    for place in odd:
        x[place : place + 90] *= -0.7
    names = more.pop("names", [f"lead{k}" for k in range(leads)])
    units = more.pop("units", ["mV"] * leads)
    recording = Recording.from_array(
        x.astype("float32"), rate=rate, leads=names, name=more.pop("name", "rec"), units=units
    )
    recording = dataclasses.replace(recording, **more)
    base = rng.gamma(2.0, 0.4, length).astype("float32")
    for k, place in enumerate(odd):
        base[place : place + 200] += np.float32(9 - 2 * k) * np.hanning(200)

    def scores(start, stop, samples):
        score = base[start:stop]
        own = np.stack([score * (1 - 0.3 * k / max(leads, 1)) for k in range(leads)], 1)
        late = np.where(np.isfinite(samples).all(1), score, np.nan)
        return np.concatenate([own, late[:, None], 0.8 * score[:, None]], 1)

    return recording, scores
