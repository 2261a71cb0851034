"""Size and speed of the report's page in headless Chromium: `python -m benchmarks.report`.

Recordings are synthetic, written as `lamina detect` writes them, and opened. No model is run.
Chrome is found on PATH; the figures are medians of `REPEATS` and hold for the machine named.
"""

import json
import pathlib
import shutil
import statistics
import sys
import tempfile
import time
import tracemalloc

import numpy as np

from benchmarks._report import save
from tests.detect.browser import BROWSER, chromium
from tests.detect.pages import made_up, written

REPEATS = 5
SIZE = {"width": 1280, "height": 900}
DAY = 86_400
# (name, samples, leads, rate, window): the lengths that the issue of the page names, and one more.
CASES = (
    ("an hour, 12 leads, 500 Hz", 3600 * 500, 12, 500.0, 400),
    ("a day, 1 lead, 360 Hz", DAY * 360, 1, 360.0, 220),
    ("ten years, a value a day", 3652, 1, 1 / DAY, 30),
    ("half an hour, 2 leads, 360 Hz", 650_000, 2, 360.0, 200),
)
# From the start of the navigation until the first charts are painted.
FIRST = """() => new Promise(done => {
  const wait = () => window.lamina && !lamina.app.frame
    ? requestAnimationFrame(() => setTimeout(() => done(performance.now()))) : setTimeout(wait, 1);
  wait();
})"""
# A turn of the wheel until the charts are painted, by the page's clock.
ZOOM = """async ([from, to, factor]) => {
  lamina.app.view.show(from, to);
  await new Promise(done => setTimeout(done, 60));
  const began = performance.now();
  lamina.app.view.zoom(factor);
  await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - began;
}"""


def write(folder: pathlib.Path, case: tuple) -> dict:
    """The page of a case: its size, and the time and memory of its writing."""
    _, length, leads, rate, window = case
    odd = tuple(np.linspace(0.02 * length, 0.97 * length, 40).astype(int).tolist())
    recording, scores = made_up(length, leads, rate, odd if length > 10_000 else (700, 2200))
    tracemalloc.start()
    began = time.perf_counter()
    written(folder, recording, scores, window=window)
    taken = time.perf_counter() - began
    tracemalloc.stop()
    return {"MB": (folder / "report.html").stat().st_size / 1e6, "written s": taken}


def measure(browser, folder: pathlib.Path, length: int) -> dict:
    """Times in milliseconds, memory in MB."""
    firsts, zooms, memory = [], [], []
    for _ in range(REPEATS):
        context = browser.new_context(viewport=SIZE)
        page = context.new_page()
        page.goto((folder / "report.html").as_uri(), wait_until="commit")
        firsts.append(page.evaluate(FIRST))
        for part in (1.0, 0.3, 0.01, 0.0005):
            span = max(200, part * length)
            middle = 0.31 * length
            given = [middle - span / 2, middle + span / 2, 0.8]
            zooms.append(page.evaluate(ZOOM, given))
        memory.append(memory_of(context, page))
        context.close()
    return {
        "first ms": statistics.median(firsts),
        "first ms, worst": max(firsts),
        "zoom ms": statistics.median(zooms),
        "zoom ms, worst": max(zooms),
        "page MB": statistics.median(memory),
    }


def memory_of(context, page) -> float:
    """What the page's process holds: its heap, and what Chromium keeps beside it."""
    client = context.new_cdp_session(page)
    client.send("HeapProfiler.collectGarbage")
    heap = client.send("Runtime.getHeapUsage")
    canvases = page.evaluate(
        "[...document.querySelectorAll('canvas')].reduce((n, c) => n + 4 * c.width * c.height, 0)"
    )
    held = heap["usedSize"] + heap.get("embedderHeapUsedSize", 0)
    return (held + heap.get("backingStorageSize", 0) + canvases) / 1e6


def main() -> None:
    if BROWSER is None:
        raise SystemExit("no Chromium on this machine")
    rows = []
    with chromium() as browser:
        for case in CASES:
            folder = pathlib.Path(tempfile.mkdtemp())
            try:
                row = {"recording": case[0], **write(folder, case)}
                row |= measure(browser, folder, case[1])
            finally:
                shutil.rmtree(folder)
            rows.append(row)
            print(json.dumps(row), flush=True)
    save("report", rows)


if __name__ == "__main__":
    sys.exit(main())
