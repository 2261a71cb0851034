"""`python docs/_tools/pictures.py REPORT.html FOLDER`: the demo's report, as Chromium shows it.

The README and the guides show what `make demo` makes, not a drawing of it.
"""

import io
import pathlib
import shutil
import sys
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

BROWSERS = ("chromium", "google-chrome", "chrome")
# A chart has few colours: a palette makes a picture a third as large. By the widest coverage, since
# the colour of a thin line is a rare one.
COLOURS = 200
WIDEST, NONE = Image.Quantize.MAXCOVERAGE, Image.Dither.NONE
DRAWN = """() => new Promise(done => setTimeout(() => requestAnimationFrame(done), 300))"""
# (name, width, height, colours, keys that are pressed before)
PICTURES = (
    ("report", 1120, 860, "light", ""),
    ("report-event", 1120, 1130, "light", "nl"),
    ("report-phone", 390, 844, "dark", "n"),
)


def main(report: str, folder: str) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        for name, width, height, scheme, keys in PICTURES:
            size: Any = {"width": width, "height": height}
            context = chromium.new_context(viewport=size, color_scheme=scheme)
            page = context.new_page()
            page.goto(pathlib.Path(report).resolve().as_uri())
            page.evaluate(DRAWN)
            for key in keys:
                page.keyboard.press(key)
                page.evaluate(DRAWN)
            page.evaluate("scrollTo(0, 0)")
            save(page.screenshot(), pathlib.Path(folder) / f"{name}.png")
            context.close()
        chromium.close()


def save(picture: bytes, path: pathlib.Path) -> None:
    shown = Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS, WIDEST, dither=NONE)
    shown.save(path, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
