"""The report's page in headless Chromium: its size, its first picture, a zoom, its memory.

python -m benchmarks.report [--pairs N] [--quick] [--out FOLDER]

Recordings are made up and their pages written as `lamina detect` writes them; no model is run.
"""

import contextlib
import pathlib
import tempfile
import tracemalloc
from collections.abc import Iterator
from typing import Any

from benchmarks._bench import Bench, parser_of, run
from benchmarks._pairs import Row, Spread
from lamina_detect.results import write_report
from tests.detect import pages
from tests.detect.browser import BROWSER, chromium

SIZE = {"width": 1280, "height": 900}
DAY = 86_400
# (name, samples, leads, samples a second, window)
CASES = (
    ("an hour of 12 leads at 500 Hz", 3600 * 500, 12, 500.0, 400),
    ("a day of 1 lead at 360 Hz", DAY * 360, 1, 360.0, 220),
    ("ten years of a value a day", 3652, 1, 1 / DAY, 30),
    ("half an hour of 2 leads at 360 Hz", 650_000, 2, 360.0, 200),
)
QUICK = (("a minute of 2 leads at 360 Hz", 21_600, 2, 360.0, 200),)
EVENTS = 40
# What issue 18 allows: MB, seconds, seconds, MB.
MOST_FILE, MOST_FIRST, MOST_ZOOM, MOST_MEMORY = 3.0, 2.0, 0.05, 300.0
# Of the recording: where a view is zoomed from, from far away to the samples.
PARTS = (1.0, 0.3, 0.01, 0.0005)

# By the page's clock, from the start of its loading until its first charts are painted.
FIRST = """() => new Promise(done => {
  const wait = () => window.lamina && !lamina.app.frame
    ? requestAnimationFrame(() => setTimeout(() => done(performance.now()))) : setTimeout(wait, 1);
  wait();
})"""
# From a zoom until its charts are painted, of each view; the wait for the next frame included.
ZOOM = """async (views) => {
  const taken = [];
  for (const [from, to] of views) {
    lamina.app.view.show(from, to);
    await new Promise(done => setTimeout(done, 80));
    const began = performance.now();
    lamina.app.view.zoom(0.8);
    await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
    taken.push(performance.now() - began);
  }
  return taken;
}"""


@contextlib.contextmanager
def page_of(browser: Any, path: pathlib.Path) -> Iterator[Any]:
    """A page in a context of its own, from its first byte on."""
    context = browser.new_context(viewport=SIZE)
    page = context.new_page()
    page.goto(path.as_uri(), wait_until="commit")
    yield page
    context.close()


def first_picture(browser: Any, path: pathlib.Path) -> float:
    with page_of(browser, path) as page:
        return page.evaluate(FIRST) / 1e3


def zooms(browser: Any, path: pathlib.Path, length: int) -> list[float]:
    """Seconds, from each of `PARTS`."""
    with page_of(browser, path) as page:
        page.evaluate(FIRST)
        spans = [max(200, part * length) for part in PARTS]
        views = [[0.31 * length - span / 2, 0.31 * length + span / 2] for span in spans]
        return [taken / 1e3 for taken in page.evaluate(ZOOM, views)]


def memory(browser: Any, path: pathlib.Path, length: int) -> float:
    """MB of the page's process (its share of what processes share), after zooming."""
    with page_of(browser, path) as page:
        page.evaluate(FIRST)
        page.evaluate(ZOOM, [[0.0, part * length] for part in PARTS if part * length > 200])
        found = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")
        renderers = [p["id"] for p in found["processInfo"] if p["type"] == "renderer"]
        return max(proportional_set(process) for process in renderers)


def proportional_set(process: int) -> float:
    for line in pathlib.Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def written(folder: pathlib.Path, case: tuple) -> tuple[float, float]:
    """Writes the page of a case; its size and the most that its writing held, in MB."""
    _, length, leads, rate, window = case
    odd = tuple(range(length // 50, length - 400, max(length // EVENTS, 500)))
    given: list[Any] = []
    pages.write_report, kept = lambda *arguments: given.extend(arguments), pages.write_report
    recording, scores = pages.made_up(length, leads, rate, odd)
    try:
        pages.written(folder, recording, scores, window=window)
    finally:
        pages.write_report = kept
    tracemalloc.start()
    write_report(*given)
    most = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return (folder / "report.html").stat().st_size / 1e6, most


def page(bench: Bench) -> None:
    with contextlib.ExitStack() as stack:
        browser = stack.enter_context(chromium()) if BROWSER else None
        for case in QUICK if bench.quick else CASES:
            folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
            name, path = case[0], folder / "report.html"
            size, most = written(folder, case)
            bench.add(Row(f"{name}: file", Spread.of([size]), unit="MB", at_most=MOST_FILE))
            bench.amount(f"{name}: memory while it is written", most, "MB")
            if browser is None:
                bench.add(Row(f"{name}: page", None, "Chromium", note="not on this machine"))
                continue
            in_browser(bench, browser, name, path, case[1])


def in_browser(bench: Bench, browser: Any, name: str, path: pathlib.Path, length: int) -> None:
    bench.measure(f"{name}: first picture", lambda: first_picture(browser, path), MOST_FIRST)
    taken = [zooms(browser, path, length) for _ in range(bench.pairs)]
    every = Spread.of([seconds for turn in taken for seconds in turn])
    bench.add(Row(f"{name}: a zoom", every, unit="s", pairs=4 * bench.pairs, at_most=MOST_ZOOM))
    held = Spread.of([memory(browser, path, length)])
    bench.add(Row(f"{name}: memory of the page", held, unit="MB", at_most=MOST_MEMORY))


SECTIONS = {"page": page}


def main() -> None:
    run("report", SECTIONS, parser_of(__doc__ or "", SECTIONS, pairs=5).parse_args())


if __name__ == "__main__":
    main()
