"""`lamina detect` beside its peers, on real recordings: the tables of docs/detection.md.

    python -m benchmarks.detect_compare DATA [--table peers|seeds] [--only NAME ...]

DATA is the folder of recordings (mitdb, svdb, nab). Areas under ROC and average precisions are per
beat for the ECG records with beat annotations (a beat's score: the maximum from 0.25 s before to
0.4 s after it), else per sample; VUS-PR is aeon's `range_pr_vus_score`. Peers see the whole series
at once; ours is causal.
"""

import argparse
import dataclasses
import json
import pathlib
import time

import numpy as np

import lamina_detect
from lamina_detect import Detector
from lamina_detect._detector import samples_of
from lamina_detect._evaluate import compare
from lamina_detect._fit import filled
from lamina_detect._job import demo_path

BEATS = ("106", "114", "116", "119")
NAB = ("ec2_request_latency_system_failure", "machine_temperature_system_failure", "nyc_taxi")


def series(data, only=()):
    """`(name, to learn from, to score)` of every recording."""
    for name in (*BEATS, "MBA_ECG805", "InternalBleeding16", *NAB):
        if not only or name in only:
            yield (name, *_pair(data, name))


def _pair(data, name):
    if name in BEATS:
        record = lamina_detect.read(data / "mitdb" / name)
    elif name == "MBA_ECG805":
        record = lamina_detect.read(data / "svdb" / "MBA_ECG805.csv")
    elif name == "InternalBleeding16":
        return [lamina_detect.read(demo_path(part)) for part in ("TRAIN", "TEST")]
    else:
        record = lamina_detect.read(data / "nab" / f"{name}.csv")
        windows = json.loads((data / "nab" / "anomaly_windows.json").read_text())
        spans = [np.array(span, "datetime64[s]") for span in windows[f"{name}.csv"]]
        marked = [(record.times >= start) & (record.times <= end) for start, end in spans]
        record = dataclasses.replace(record, labels=np.any(marked, 0))
    return record, record


def first_lead(recording):
    return filled(samples_of(recording)(0, recording.length)[:, 0]).astype("float64")


def lamina_score(learn, score, **settings):
    """Ours, with the window that it found."""
    detector = Detector(**settings).fit(learn)
    return detector.score(score).together, detector.settings["window"]


def kmeans_ad(learn, score, window):
    from aeon.anomaly_detection.series.distance_based import KMeansAD

    model = KMeansAD(window_size=window, stride=1, n_clusters=20, random_state=0)
    model.fit(first_lead(learn))
    return model.predict(first_lead(score))


def sub_pca(learn, score, window, components=10):
    """What ten principal components leave of each centred window, at its last sample."""
    known, new = (
        np.lib.stride_tricks.sliding_window_view(first_lead(x), window) for x in (learn, score)
    )
    some = known[:: max(1, len(known) // 50_000)]
    some = some - some.mean(1, keepdims=True)
    basis = np.linalg.eigh(some.T @ some)[1][:, -components:]

    def left(windows):
        windows = windows - windows.mean(1, keepdims=True)
        return (windows**2).sum(1) - ((windows @ basis) ** 2).sum(1)

    rest = [left(new[i : i + 50_000]) for i in range(0, len(new), 50_000)]
    return np.concatenate([np.zeros(window - 1), *rest])


def from_median(learn, score, window):
    return np.abs(first_lead(score) - np.median(first_lead(learn)))


def random(learn, score, window):
    return np.random.default_rng(1).random(score.length)


PEERS = {
    "KMeansAD": kmeans_ad,
    "sub-PCA": sub_pca,
    "abs(x - median)": from_median,
    "random": random,
}


def judged(score, recording, window):
    """What `compare` tells, and VUS-PR for short series."""
    verdict = compare(score, recording)
    volume = None
    if recording.labels is not None and recording.length < 30_000:
        from aeon.benchmarking.metrics.anomaly_detection import range_pr_vus_score

        volume = range_pr_vus_score(recording.labels.astype(int), np.nan_to_num(score), 100)
    return verdict, volume


def print_row(name, method, seconds, verdict, volume):
    print(
        f"| {name} | {method} | {verdict['area_under_roc']:.4f} | "
        f"{verdict['average_precision']:.4f} | {'' if volume is None else f'{volume:.3f}'} | "
        f"{verdict['distance_of_highest_to_nearest_event']} | {seconds:.1f} |",
        flush=True,
    )


def peers(data, only):
    print("| series | method | area under ROC | average precision | VUS-PR | highest off | s |")
    print("|---|---|---|---|---|---|---|")
    for name, learn, score in series(data, only):
        began = time.perf_counter()
        ours, window = lamina_score(learn, score)
        print_row(name, "lamina", time.perf_counter() - began, *judged(ours, score, window))
        for method, function in PEERS.items():
            began = time.perf_counter()
            theirs = function(learn, score, window)
            print_row(name, method, time.perf_counter() - began, *judged(theirs, score, window))


def seeds(data, only, count=5):
    print("| series | area under ROC, five seeds | average precision, five seeds |")
    print("|---|---|---|")
    for name, learn, score in series(data, only or BEATS):
        found = []
        for seed in range(count):
            verdict = compare(lamina_score(learn, score, seed=seed)[0], score)
            found.append((verdict["area_under_roc"], verdict["average_precision"]))
        columns = (" ".join(f"{v:.4f}" for v in column) for column in zip(*found, strict=True))
        print(f"| {name} | {' | '.join(columns)} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--table", choices=("peers", "seeds"), default="peers")
    parser.add_argument("--only", nargs="*", default=())
    asked = parser.parse_args()
    {"peers": peers, "seeds": seeds}[asked.table](asked.data, tuple(asked.only))


if __name__ == "__main__":
    main()
