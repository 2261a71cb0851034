"""`python docs/_tools/live_picture.py MODEL OUT.png`: the live page, as Chromium shows it.

The demonstration's anomaly comes by on a line of its own, as it would for `lamina watch --serve`.
"""

import shutil
import sys
import threading
from collections.abc import Iterator

from playwright.sync_api import sync_playwright

from lamina_detect import watch
from lamina_detect.live import Page
from lamina_detect.recordings import demo_path

BROWSERS = ("chromium", "google-chrome", "chrome")


def main(model: str, out: str) -> None:
    page, shown = Page("127.0.0.1:0"), threading.Event()
    lines = demo_path("TEST").read_text().splitlines()

    def line() -> Iterator[str]:
        # Until shortly after the anomaly, which the labels in the file mark.
        last = max(i for i, text in enumerate(lines) if text.endswith(",1")) + 700
        yield from lines[:last]
        shown.wait()

    options = {"alarms_only": True, "sinks": [page]}
    thread = threading.Thread(target=watch, args=(model, line(), lambda text: None), kwargs=options)
    thread.start()
    try:
        picture(page.url, out)
    finally:
        shown.set()
        thread.join()


def picture(url: str, out: str) -> None:
    """The page when it has told of an alarm."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        tab = chromium.new_page(viewport={"width": 1100, "height": 620})
        tab.goto(url, timeout=300_000)
        tab.wait_for_selector("#alarms tbody tr", timeout=300_000)
        tab.wait_for_timeout(2000)
        tab.screenshot(path=out)
        chromium.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
