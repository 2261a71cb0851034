"""How many real bugs the contracts find, how many correct layers they flag, and how fast.

    python -m benchmarks.contracts [speed] [rates] [registry] [--cases FOLDER]

FOLDER holds `bugs/*.py` and `good/*.py`; by default ../shared/layer-cases, where it is there. The
peer is Keras' own `run_layer_test`, with what it can know of a layer (class, arguments, inputs).
"""

import contextlib
import importlib.util
import io
import pathlib
import sys
import time
from types import ModuleType

import keras
import numpy as np
from keras.src import testing  # the peer that is measured; never in the library

import lamina
from benchmarks._bench import Bench, Row, Spread, parser_of, run
from benchmarks._pairs import timer
from benchmarks._report import ROOT
from lamina.contracts import CONTRACTS

CASES = ROOT.parent / "shared" / "layer-cases"
PEER = "run_layer_test"


def load(path: pathlib.Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def keras_passes(cls: type, kwargs: dict, inputs: object) -> bool:
    """Does Keras' own test let the layer pass?"""
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            testing.TestCase().run_layer_test(
                cls, init_kwargs=kwargs, input_data=inputs, custom_objects={cls.__name__: cls}
            )
    except Exception:
        return False
    return True


def judge_bug(path: pathlib.Path) -> tuple[bool, bool]:
    """(found by the contract that names it, rejected by Keras for any reason)."""
    case = load(path)
    (cls, kwargs), inputs = case.make()
    rejected = not keras_passes(cls, kwargs, inputs)
    try:
        report = lamina.check(cls, inputs, kwargs=kwargs, traits=getattr(case, "TRAITS", None))
    except lamina.CheckError:
        return False, rejected
    return bool(set(report.broken) & set(case.CONTRACT)), rejected


def judge_good(path: pathlib.Path) -> tuple[bool, bool, bool]:
    """(clean with its traits, no universal contract broken without them, accepted by Keras)."""
    case = load(path)
    (cls, kwargs), inputs = case.make()
    accepted = keras_passes(cls, kwargs, inputs)
    try:
        report = lamina.check(cls, inputs, kwargs=kwargs, traits=getattr(case, "TRAITS", None))
        bare = lamina.check(cls, inputs, kwargs=kwargs)
    except lamina.CheckError:
        return False, False, accepted
    universal = [c for c in bare.broken if CONTRACTS[c].universal]
    return report.ok, not universal, accepted


def rates(bench: Bench) -> None:
    """Bugs and correct layers, each counted for us and for Keras."""
    folder = bench.options.cases
    if not folder.is_dir():
        bench.add(Row("bugs found, correct layers clean", None, PEER, note="no folder of cases"))
        return
    start = time.perf_counter()
    bugs, good = (sorted((folder / kind).glob("*.py")) for kind in ("bugs", "good"))
    if bench.quick:
        bugs, good = bugs[:1], good[:1]
    found, rejected = zip(*map(judge_bug, bugs), strict=True)
    count(bench, "bugs: found (Keras: rejected, for any reason)", bugs, found, rejected)
    clean, bare, accepted = zip(*map(judge_good, good), strict=True)
    count(bench, "correct layers: clean with their traits", good, clean, accepted)
    count(bench, "correct layers: no universal contract broken without traits", good, bare)
    seconds = (time.perf_counter() - start) / (len(bugs) + len(good))
    bench.add(Row("a case, all of the above together", Spread.of([seconds])))


def count(
    bench: Bench,
    work: str,
    paths: list[pathlib.Path],
    ours: tuple[bool, ...],
    theirs: tuple[bool, ...] | None = None,
) -> None:
    """A row that counts on how many cases we are right, and Keras."""
    wrong = [path.stem for path, right in zip(paths, ours, strict=True) if not right]
    peer = (PEER, Spread.of([sum(theirs)])) if theirs else ("", None)
    note = f"not right about {', '.join(wrong)}" if wrong else ""
    bench.add(Row(work, Spread.of([sum(ours)]), *peer, unit=f"of {len(paths)}", note=note))


def speed(bench: Bench) -> None:
    """A Dense layer under all contracts, and under the fast ones."""
    x = np.random.default_rng(0).standard_normal((4, 8)).astype("float32")
    for label, contracts, limit in (("full", None, 5.0), ("fast", "fast", 1.0)):
        check = timer(
            lambda c=contracts: lamina.check(
                keras.layers.Dense, x, kwargs={"units": 3}, contracts=c
            )
        )
        bench.add(Row(f"Dense, {label}: first in its process", Spread.of([check()])))
        bench.measure(f"Dense, {label}", check, at_most=limit)


def registry(bench: Bench) -> None:
    """All layers of the registry."""
    from tests.registry import ROWS, case

    rows = ROWS[:2] if bench.quick else ROWS
    start = time.perf_counter()
    broken = []
    for row in rows:
        report = lamina.check(row.make, case(row)[1], traits=row.traits)
        broken += [row.name] if not report.ok else []
    seconds = Spread.of([time.perf_counter() - start])
    note = f"not ok: {', '.join(broken)}" if broken else ""
    bench.add(Row(f"lamina's registry, {len(rows)} rows", seconds, at_most=300, note=note))


SECTIONS = {"speed": speed, "rates": rates, "registry": registry}


def main() -> None:
    parser = parser_of(__doc__ or "", SECTIONS, pairs=5)
    parser.add_argument("--cases", type=pathlib.Path, default=CASES, metavar="FOLDER")
    run("contracts", SECTIONS, parser.parse_args())


if __name__ == "__main__":
    main()
