"""A live line: `lamina watch --serve` with watchers, and lines as fast as they are read.

python -m benchmarks.watch [--watchers 10] [--rate 1000] [--seconds 20]
"""

import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import httpx
import numpy as np

from benchmarks._bench import Bench, parser_of, run
from lamina_detect import Detector

PERIOD = 90


def line(length: int) -> np.ndarray:
    """A pulse train with noise."""
    phase = np.arange(length) % PERIOD / PERIOD
    pulse = np.exp(-(((phase - 0.3) / 0.06) ** 2))
    return pulse + 0.01 * np.random.default_rng(0).standard_normal(length)


def command(model: pathlib.Path, *more: str) -> subprocess.Popen:
    words = [sys.executable, "-m", "lamina_cli", "watch", str(model), *more]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def fitted(folder: str) -> pathlib.Path:
    model = pathlib.Path(folder) / "model.keras"
    detector = Detector(shapes=50).fit(line(4000))
    detector.threshold = 4.0
    detector.save(model)
    return model


def live(bench: Bench) -> None:
    """A page with watchers: what each received, and how late."""
    options = bench.options
    watchers, seconds = (2, 1) if bench.quick else (options.watchers, options.seconds)
    with tempfile.TemporaryDirectory() as folder:
        counts, lost, late = served(fitted(folder), watchers, options.rate, seconds)
    work = f"{watchers} watchers, {options.rate:,} samples a second for {seconds} s"
    bench.amount(f"{work}: received by each, at least", min(counts), "samples")
    bench.amount(f"{work}: lost", lost, "samples")
    bench.amount(f"{work}: late, median", statistics.median(late), "ms")
    bench.amount(f"{work}: late, 99 %", late[int(0.99 * len(late))], "ms")
    bench.amount(f"{work}: late, most", late[-1], "ms")


def served(
    model: pathlib.Path, watchers: int, rate: int, seconds: int
) -> tuple[list[int], int, list[float]]:
    """(samples that each watcher received, lost, milliseconds late of each piece, sorted).

    Each watcher notes when it saw each piece; all on this machine, by one clock.
    """
    process = command(model, "--serve", "127.0.0.1:0", "--alarms-only")
    url = next(text.split()[-1] for text in process.stderr if "live page" in text)
    threading.Thread(target=process.stdout.read, daemon=True).start()
    # Compiled before the clock starts.
    process.stdin.write("0\n")
    process.stdin.flush()
    seen: list[list[tuple[float, int, int]]] = [[] for _ in range(watchers)]
    lost = [0] * watchers
    there = [threading.Event() for _ in range(watchers)]

    def follow(number: int) -> None:
        kind = ""
        with httpx.stream("GET", f"{url}events", timeout=120) as answer:
            for text in answer.iter_lines():
                name, _, value = text.partition(": ")
                if name == "event":
                    kind = value
                elif name == "data" and kind == "samples":
                    data = json.loads(value)
                    seen[number].append((time.monotonic(), data["first"], len(data["score"])))
                    there[number].set()
                elif name == "data" and kind == "lost":
                    lost[number] += int(value)

    threads = [threading.Thread(target=follow, args=(n,)) for n in range(watchers)]
    for thread in threads:
        thread.start()
    for event in there:
        event.wait(120)
    values, began = [f"{v:.5f}\n" for v in line(rate * seconds)], time.monotonic()
    # A twentieth of a second at a time.
    step = max(1, rate // 20)
    for first in range(0, len(values), step):
        time.sleep(max(0.0, began + first / rate - time.monotonic()))
        process.stdin.write("".join(values[first : first + step]))
        process.stdin.flush()
    process.stdin.close()
    for thread in threads:
        thread.join(60)
    process.wait(60)
    late, counts = [], []
    for own in seen:
        counts.append(sum(count for _, _, count in own))
        # Sample 0 is the one before the clock.
        late += [at - (began + (first - 1) / rate) for at, first, _ in own if first > 0]
    return counts, sum(lost), sorted(1000 * v for v in late)


def piped(bench: Bench) -> None:
    """Lines that are there already: each way of writing, less the start."""
    few, count = (256, 4096) if bench.quick else (4096, 200_000)
    lines = [f"{v:.5f}\n" for v in line(count)]
    with tempfile.TemporaryDirectory() as folder:
        model = fitted(folder)
        for options in ((), ("--alarms-only",)):
            took = []
            for part in (lines[:few], lines):
                process = command(model, *options)
                began = time.monotonic()
                process.communicate("".join(part))
                took.append(time.monotonic() - began)
            rate = (count - few) / max(took[1] - took[0], 1e-9)
            bench.amount(f"lines {' '.join(options) or '(all samples written)'}", rate, "a second")


SECTIONS = {"live": live, "piped": piped}


def main() -> None:
    parser = parser_of(__doc__ or "", SECTIONS)
    parser.add_argument("--watchers", type=int, default=10)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=20)
    run("watch", SECTIONS, parser.parse_args())


if __name__ == "__main__":
    main()
