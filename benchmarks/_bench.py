"""What all scripts share: the command line, the table of pairs, and where it goes.

python -m benchmarks.NAME [SECTION ...] [--pairs N] [--quick] [--peers PYTHON] [--out FOLDER]
"""

import argparse
import dataclasses
import pathlib
import sys
from collections.abc import Callable

from benchmarks._pairs import Row, Spread, Timer, alone, compared
from benchmarks._remote import Remote
from benchmarks._report import OUT, Report


class Bench:
    """Measures rows for one script.

    Attributes:
        options: The command line's.
        quick: A smoke run: one pair, small sizes. Its figures mean nothing.
        pairs: How many pairs a row takes.
        peers: `{package: version}`, for the JSON file.
    """

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        self.options = options
        self.quick: bool = options.quick
        self.pairs: int = 1 if options.quick else options.pairs
        self.peers: dict[str, str] = {}
        # A smoke run never replaces figures.
        name = f"{name}-quick" if self.quick else name
        ratio = f"ratio (min..max of {self.pairs} pairs)" if self.pairs > 1 else "ratio"
        self._report = Report(name, ["work", "ours", "peer", ratio, "limit"], options.out)

    def compare(
        self, work: str, ours: Timer, peer: str, theirs: Timer, at_least: float | None = None
    ) -> None:
        """A row of pairs; `at_least` limits the ratio peer / ours."""
        self.add(compared(work, ours, peer, theirs, self.pairs, at_least))

    def measure(self, work: str, ours: Timer, at_most: float | None = None) -> None:
        """A row without a peer; `at_most` limits our seconds."""
        self.add(alone(work, ours, self.pairs, at_most))

    def amount(
        self, work: str, ours: float, unit: str, peer: str = "", theirs: float | None = None
    ) -> None:
        """A row of what is counted once, such as memory; the ratio is theirs / ours again."""
        other = None if theirs is None else Spread.of([theirs])
        ratio = Spread.of([theirs / ours]) if theirs is not None and ours > 0 else None
        self.add(Row(work, Spread.of([ours]), peer, other, ratio, unit=unit))

    def add(self, row: Row) -> None:
        if self.quick:  # nothing can be missed at sizes that nobody works with
            row = dataclasses.replace(row, at_least=None, at_most=None)
        self._report.add(row.cells(), row.record())

    def remote(self, module: str, *arguments: object, other_python: bool = True) -> Remote:
        """A process of `benchmarks._peers`; by the interpreter of `--peers` where one is named."""
        python = self.options.peers if other_python else sys.executable
        remote = Remote(module, *arguments, python=python)
        self.peers |= remote.versions
        return remote

    def close(self) -> None:
        self._report.write(self.peers, quick=self.quick, pairs=self.pairs)


Section = Callable[[Bench], None]


def parser_of(doc: str, sections: dict[str, Section], pairs: int = 9) -> argparse.ArgumentParser:
    """The shared command line; a script adds what only it has."""
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(sections)}; else all")
    parser.add_argument("--pairs", type=int, default=pairs, help="of a row (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="a smoke run in seconds")
    parser.add_argument("--peers", default=sys.executable, metavar="PYTHON",
                        help="an interpreter that has the peers of other runtimes")  # fmt: skip
    parser.add_argument("--out", type=pathlib.Path, default=OUT, help="folder of the JSON file")
    return parser


def run(name: str, sections: dict[str, Section], options: argparse.Namespace) -> None:
    """Measure what is asked for, print it, write it."""
    asked = options.sections or list(sections)
    if unknown := [section for section in asked if section not in sections]:
        sys.exit(f"No section {unknown[0]!r} in benchmarks.{name}: one of {', '.join(sections)}.")
    bench = Bench(name, options)
    for section in asked:
        sections[section](bench)
    bench.close()


def need_tensorflow() -> None:
    """Exit with the reason where another backend is set."""
    import keras

    if keras.backend.backend() != "tensorflow":
        sys.exit("This benchmark measures TensorFlow graphs: set KERAS_BACKEND=tensorflow.")
