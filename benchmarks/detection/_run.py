"""Every series by every method, each once: what is done is kept on disk, and taken from there."""

import concurrent.futures
import dataclasses
import functools
import json
import multiprocessing
import os
import pathlib
import time
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.detection import _alarms, _metrics
from benchmarks.detection._labelled import Series, kind_of
from benchmarks.detection.methods import CAUSAL, MODES, OURS, Found, Method, method_of, version_of
from lamina_detect.live import _alarms as live_alarms
from lamina_detect.results import _events

Record = dict
"""Figures of one method's score, in one mode, on one series; or `error`."""

# Figures are made again, from the kept scores, when what they are made with changes. Read once: a
# file that is edited during a run is not what runs.
FIGURES = version_of(
    [pathlib.Path(m.__file__ or "") for m in (_metrics, _alarms, _events, live_alarms)]
    + [pathlib.Path(__file__)]
)


@dataclasses.dataclass(frozen=True)
class Task:
    """One series by one method."""

    path: pathlib.Path
    method: str
    cache: pathlib.Path
    python: str


def run(tasks: list[Task], jobs: int) -> Iterator[list[Record]]:
    """The records of each task as it is done, in `jobs` processes."""
    if jobs == 1:
        yield from map(records_of, tasks)
        return
    # One core each: the methods' own threads would only wait for each other.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    context = multiprocessing.get_context("spawn")  # a started backend cannot be forked
    with concurrent.futures.ProcessPoolExecutor(jobs, mp_context=context) as pool:
        done = [pool.submit(records_of, task) for task in tasks]
        for future in concurrent.futures.as_completed(done):
            yield future.result()


def records_of(task: Task) -> list[Record]:
    """From the cache, or measured now."""
    series, method = Series.load(task.path), method_of(task.method, task.python)
    folder = task.cache / series.digest
    kept = folder / f"{method.name}-{method.version}-{FIGURES}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    name = {
        "series": f"{series.folder}/{series.name}",
        "kind": kind_of(task.path),
        "method": method.name,
    }
    try:
        found, seconds = kept_scores(folder, method, series)
    except Exception as error:  # One method's failure on one series: a row that says so.
        message = (str(error) or repr(error)).strip().splitlines()[0]
        return [{**name, "error": f"{type(error).__name__}: {message}"}]
    about = {**name, "seconds": seconds, "note": found.note}
    records = [
        {**about, "mode": mode, **figures_of(series, method, found, mode)} for mode in found.scores
    ]
    _write(kept, lambda path: path.write_text(json.dumps(records)))
    return records


def kept_scores(folder: pathlib.Path, method: Method, series: Series) -> tuple[Found, float]:
    """`(scores, seconds)` from the cache, or measured now."""
    path = folder / f"{method.name}-{method.version}.npz"
    if not path.exists():
        began = time.perf_counter()
        found = method.score(series)
        seconds = time.perf_counter() - began
        more = {"seconds": seconds, "window": found.window or 0, "note": found.note}
        scores = {mode: score.astype("float32") for mode, score in found.scores.items()}
        _write(path, lambda new: np.savez_compressed(new, **scores, **more))
    with np.load(path) as data:
        scores = {mode: data[mode].astype("float64") for mode in MODES if mode in data.files}
        found = Found(scores, int(data["window"]) or None, str(data["note"]))
        return found, float(data["seconds"])


def figures_of(series: Series, method: Method, found: Found, mode: str) -> Record:
    """What is judged is what comes after the training part."""
    y, score = series.y[series.train :], found.scores[mode]
    figures = _metrics.Figures.of(y, score[series.train :], series.buffer)
    product = functools.partial(_alarms.by_lamina, live=mode == CAUSAL)
    rules: dict[str, Callable[..., list[_alarms.Alarm]]] = {"lamina's": product}
    if mode == CAUSAL:
        rules["watch's"] = _alarms.by_watch
    if method.name != OURS:  # its score need not be a -log p
        rules |= {"rate": _alarms.by_rate, "rate or highest": _alarms.by_rate_or_highest}
    alarms = {}
    for rule, alarms_of in rules.items():
        own = found.window if rule in ("lamina's", "watch's") else None
        places = alarms_of(score, own or series.window, series.train)
        alarms[rule] = dataclasses.asdict(_alarms.judged(places, y, series.window))
    return {**dataclasses.asdict(figures), "near": figures.near, "alarms": alarms}


def row_of(record: Record) -> str:
    """`T2 (causal)`."""
    causal = record["mode"] == CAUSAL
    return f"{record['method']} (causal)" if causal else record["method"]


def _write(path: pathlib.Path, write) -> None:
    """Whole or not at all: a run may be ended at any time, and two may run at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{os.getpid()}-{path.name}")
    write(new)
    new.replace(path)
