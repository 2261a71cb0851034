"""The recordings of the detection tables, and how a score is evaluated on them."""

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Iterator

import numpy as np

import lamina_detect
from lamina_detect import Detector, Recording
from lamina_detect.recordings import demo_path, filled
from lamina_detect.results import evaluate

BEATS = ("106", "114", "116", "119")
NAB = ("ec2_request_latency_system_failure", "machine_temperature_system_failure", "nyc_taxi")
ALL = (*BEATS, "MBA_ECG805", "InternalBleeding16", *NAB)


def series(data: pathlib.Path, names: Iterable[str]) -> Iterator[tuple[str, Recording, Recording]]:
    """`(name, to learn from, to score)` of each recording."""
    for name in names:
        learn, score = _pair(data, name)
        yield name, learn, score


def _pair(data: pathlib.Path, name: str) -> tuple[Recording, Recording]:
    if (data / "mitdb" / f"{name}.hea").exists():
        record = lamina_detect.read(data / "mitdb" / name)
    elif name == "MBA_ECG805":
        record = lamina_detect.read(data / "svdb" / "MBA_ECG805.csv")
    elif name == "InternalBleeding16":
        return lamina_detect.read(demo_path("TRAIN")), lamina_detect.read(demo_path("TEST"))
    else:
        record = lamina_detect.read(data / "nab" / f"{name}.csv")
        windows = json.loads((data / "nab" / "anomaly_windows.json").read_text())
        spans = [np.array(span, "datetime64[s]") for span in windows[f"{name}.csv"]]
        marked = [(record.times >= start) & (record.times <= end) for start, end in spans]
        record = dataclasses.replace(record, labels=np.any(marked, 0))
    return record, record


def first_lead(recording: Recording) -> np.ndarray:
    """Its samples, with the last valid one in gaps."""
    return filled(recording.read(0, recording.length)[:, 0]).astype("float64")


def first(recording: Recording, length: int) -> Recording:
    """The recording's first `length` samples."""
    beats, labels = recording.beats, recording.labels
    if beats is not None:
        there = beats.samples < length
        beats = type(beats)(beats.samples[there], beats.anomalous[there])
    labels = None if labels is None else labels[:length]
    return dataclasses.replace(recording, length=length, beats=beats, labels=labels)


def lamina_score(learn: Recording, score: Recording, **settings: object) -> tuple[np.ndarray, int]:
    """`(causal score of all leads, window)` of a detector that is fitted on `learn`."""
    detector = Detector(**settings).fit(learn)
    return detector.score(score).causal, detector.settings["window"]


@dataclasses.dataclass(frozen=True)
class Quality:
    """How well a score finds what is marked.

    `off`: samples from the highest score to the nearest marked one.
    """

    roc: float = float("nan")
    ap: float = float("nan")
    vus_pr: float | None = None
    off: int | None = None


def quality(score: np.ndarray, recording: Recording, volume: bool = False) -> Quality:
    """A score against the labels; VUS-PR, on request, is aeon's `range_pr_vus_score`."""
    found = evaluate(score, recording)
    if found is None:  # Nothing is marked in so short a piece.
        return Quality()
    vus_pr = None
    if volume and recording.labels is not None:
        from aeon.benchmarking.metrics.anomaly_detection import range_pr_vus_score

        vus_pr = range_pr_vus_score(recording.labels.astype(int), np.nan_to_num(score), 100)
    return Quality(
        found["area_under_roc"],
        found["average_precision"],
        vus_pr,
        found["distance_of_highest_to_nearest_event"],
    )
