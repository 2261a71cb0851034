"""`python docs/_tools/pictures.py REPORT.html OUT.svg`: the first picture of a report, as a file.

The README shows what `make demo` draws, not a drawing of it.
"""

import pathlib
import re
import sys


def first_picture(page: str) -> str:
    """The first SVG element of a page: the whole recording with its score."""
    found = re.search(r"<svg.*?</svg>", page, re.DOTALL)
    if found is None:
        raise SystemExit("the report holds no picture")
    return found[0] + "\n"


def main(report: str, out: str) -> None:
    pathlib.Path(out).write_text(first_picture(pathlib.Path(report).read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
