"""A corpus job beside a plain loop: what a recording, a start, a worker and a plan cost.

    python -m benchmarks.corpus [overhead] [start] [workers] [scale] [finished]

Made-up pulse trains of 13,000 samples (`scale`: of 1,000) as .npy, and one small detector. Figures
of `workers` mean something on two free cores only.
"""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import numpy as np

from benchmarks._bench import Bench, parser_of, run
from lamina_detect import Detector, read
from lamina_detect.corpus._job import Job, Planned
from lamina_detect.corpus._parts import OK, write_rows
from lamina_detect.corpus._plan import Plan, batches_of, write_plan
from lamina_detect.corpus._score import Scored, score
from lamina_detect.corpus._store import Store
from lamina_detect.corpus._worker import Worker

PERIOD = 90
# As long as 36 s of an ECG at 360 Hz.
SAMPLES = 13_000


def pulses(length: int, seed: int) -> np.ndarray:
    """A pulse train with noise, some beats of another shape."""
    rng = np.random.default_rng(seed)
    t = np.arange(length)
    phase = (t % PERIOD) / PERIOD
    usual = np.exp(-(((phase - 0.3) / 0.06) ** 2)) + 0.3 * np.exp(-(((phase - 0.6) / 0.1) ** 2))
    odd = t // PERIOD == 5 + seed % 7
    x = np.where(odd, 1.2 * np.exp(-(((phase - 0.4) / 0.15) ** 2)), usual)
    return (x + 0.01 * rng.standard_normal(length)).astype("float32")


def corpus(folder: pathlib.Path, count: int, length: int) -> pathlib.Path:
    """So many recordings; every seventh name is a file of its own, the others link to those."""
    folder.mkdir()
    for number in range(count):
        path = folder / f"r{number:06}.npy"
        if number < 7:
            np.save(path, pulses(length, number))
        else:
            path.hardlink_to(folder / f"r{number % 7:06}.npy")
    return folder


def model(folder: pathlib.Path) -> pathlib.Path:
    """A detector that was fitted on a usual recording."""
    path = folder / "model.keras"
    Detector(shapes=50).fit(pulses(6000, 0)).save(path)
    return path


def command(source: pathlib.Path, out: pathlib.Path, *more: object) -> list[str]:
    start = [sys.executable, "-m", "lamina_cli", "detect", "--from", source, "--out", out]
    return [str(part) for part in (*start, *more)]


def parts(out: pathlib.Path) -> int:
    """Batches that are done."""
    return sum(1 for _ in (out / "summary").glob("part-*")) if (out / "summary").exists() else 0


def peak(pid: int) -> float:
    """The most memory that a process has had, in MB; 0 if it is gone."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def children(pid: int) -> Iterator[int]:
    path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    if path.exists():
        yield from map(int, path.read_text().split())


def overhead(bench: Bench) -> None:
    """What a worker does beside scoring: its batches in this process, each recording's scores and
    events being there already. In seconds of the processor and of the clock."""
    count = 8 if bench.quick else 200
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        source, path = corpus(folder / "from", count, SAMPLES), model(folder)
        job = Job(str(source), str(folder / "out"), False, {}, {}, "0.01", None, True)
        worker = Worker(job)
        worker.detector = Detector.load(path)
        recording = read(source / "r000000.npy")
        found = score(worker.detector, recording, folder / "scores", job)
        worker._score = lambda planned, path: _checked(worker, planned, found)
        write_plan(worker.store, batches_of(worker.source.planned(None)), {})
        clock, processor = time.perf_counter(), time.process_time()
        for batch in Plan(worker.store).batches():
            worker.run(batch)
        clock, processor = time.perf_counter() - clock, time.process_time() - processor
        bench.amount("overhead a recording, processor", 1000 * processor / count, "ms")
        bench.amount("overhead a recording, clock", 1000 * clock / count, "ms")


def _checked(worker: Worker, planned: Planned, found: Scored) -> Scored:
    """As a recording that is scored: looked at before and after."""
    with worker.source.fetched(planned):
        return found


def start(bench: Bench) -> None:
    """Until the first row is there, beside `lamina detect --model` of one recording."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        source, path = corpus(folder / "from", 20, SAMPLES), model(folder)
        one = [sys.executable, "-m", "lamina_cli", "detect", str(source / "r000000.npy")]
        began = time.perf_counter()
        subprocess.run([*one, "--model", str(path), "--out", str(folder / "one")], check=True,
                       capture_output=True)  # fmt: skip
        single = time.perf_counter() - began
        out = folder / "out"
        began = time.perf_counter()
        driver = subprocess.Popen(command(source, out, "--model", path, "--workers", 1),
                                  stdout=subprocess.DEVNULL)  # fmt: skip
        while not parts(out) and driver.poll() is None:
            time.sleep(0.01)
        first = time.perf_counter() - began
        driver.wait()
        bench.amount("until the first row", first, "s", "lamina detect of one", single)


def workers(bench: Bench) -> None:
    """Recordings a second once each worker has done two batches; their memory, the driver's."""
    count = 40 if bench.quick else 1200
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        source, path = corpus(folder / "from", count, SAMPLES), model(folder)
        paces, seen = [], 0.0
        for number in (1, 2):
            out = folder / f"out{number}"
            driver = subprocess.Popen(command(source, out, "--model", path, "--workers", number),
                                      stdout=subprocess.DEVNULL)  # fmt: skip
            times: list[tuple[float, int]] = []
            while driver.poll() is None:
                if not times or parts(out) != times[-1][1]:
                    times.append((time.perf_counter(), parts(out)))
                seen = max([seen, *map(peak, children(driver.pid))])
                time.sleep(0.02)
            paces.append(_pace(out, times))
        bench.amount("a recording, 2 workers", 1 / paces[1], "s", "1 worker", 1 / paces[0])
        bench.amount("memory of a worker, at most", seen, "MB")


def _pace(out: pathlib.Path, times: list[tuple[float, int]]) -> float:
    """Recordings a second in the middle: without the start, and the end where one has no work."""
    sizes = [len(batch.recordings) for batch in Plan(Store(str(out))).batches()]
    inner = [(t, sum(sizes[:n])) for t, n in times if 4 <= n <= len(sizes) - 2]
    (begin, before), (end, after) = inner[0], inner[-1]
    return (after - before) / (end - begin)


def scale(bench: Bench) -> None:
    """Planned, and some finished: time and memory of the driver as the corpus grows."""
    sizes = (100, 300) if bench.quick else (1_000, 10_000, 100_000)
    finished = 50 if bench.quick else bench.options.finished
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        path = model(folder)
        for size in sizes:
            source, out = corpus(folder / f"from{size}", size, 1000), folder / f"out{size}"
            began = time.perf_counter()
            driver = subprocess.Popen(command(source, out, "--model", path, "--no-scores"),
                                      stdout=subprocess.DEVNULL)  # fmt: skip
            while not (out / "manifest.parquet").exists() and driver.poll() is None:
                time.sleep(0.01)
            planned, highest = time.perf_counter() - began, 0.0
            wanted, done = min(finished, size), 0
            while driver.poll() is None and done < wanted:
                highest = max(highest, peak(driver.pid))
                time.sleep(0.2)
                done = _finished(out)
            if driver.poll() is None:
                driver.send_signal(signal.SIGINT)
            driver.wait()
            bench.amount(f"{size:,} planned", planned, "s")
            bench.amount(f"driver, {size:,} planned, {wanted:,} finished", highest, "MB")


def _finished(out: pathlib.Path) -> int:
    """Recordings of the batches that are done: those are the first ones, but for a few."""
    done = parts(out)
    sizes = [len(b.recordings) for b, _ in zip(Plan(Store(str(out))).batches(), range(done))]  # noqa: B905
    return sum(sizes)


def finished(bench: Bench) -> None:
    """A run with nothing left to do, over rows that are made up."""
    count = 200 if bench.quick else 10_000
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        source, path = corpus(folder / "from", 2, 1000), model(folder)
        arguments = command(source, folder / "out", "--model", path)
        subprocess.run(arguments, check=True, capture_output=True)
        store = Store(str(folder / "out"))
        known = Plan(store).fingerprint()
        rows = [Planned(f"r{n:06}.npy", [f"r{n:06}.npy"], 4128, "1") for n in range(count)]
        write_plan(store, batches_of(rows), known)
        row = {"status": OK, "reason": "", "samples": 1000, "leads": ["lead0"], "rate": 100.0}
        row |= {"threshold": 3.0, "events": 5, "alarms": 1, "seconds": 0.02}
        for batch in Plan(store).batches():
            ids = [planned.id for planned in batch.recordings]
            write_rows(store, "summary", batch.name, [row | {"id": id} for id in ids])
        began = time.perf_counter()
        subprocess.run(arguments, check=True, capture_output=True)
        bench.amount(f"a run over {count:,} finished", time.perf_counter() - began, "s")


SECTIONS = {
    "overhead": overhead,
    "start": start,
    "workers": workers,
    "scale": scale,
    "finished": finished,
}


def main() -> None:
    parser = parser_of(__doc__ or "", SECTIONS, pairs=3)
    parser.add_argument("--finished", type=int, default=5000, help="scale: (%(default)s)")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    run("corpus", SECTIONS, options)


if __name__ == "__main__":
    main()
