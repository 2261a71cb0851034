"""How many real bugs the contracts find, how many correct layers they flag, and how fast.

    python -m benchmarks.contracts [speed] [rates] [registry] [FOLDER]

Named parts only, else all. FOLDER holds `bugs/*.py` and `good/*.py`; by default
../shared/layer-cases. Beside it stands the peer: Keras' own `run_layer_test`, with what it can know
of a layer (class, arguments, inputs).
"""

import contextlib
import importlib.util
import io
import sys
import time
from pathlib import Path

import keras
import numpy as np
from keras.src import testing  # the peer that is measured; never in the library

import lamina
from lamina.contracts import CONTRACTS

PARTS = ["speed", "rates", "registry"]
CASES = Path(__file__).resolve().parents[2] / "shared" / "layer-cases"


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def keras_passes(cls, kwargs, inputs):
    """Does Keras' own test let the layer pass?"""
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            testing.TestCase().run_layer_test(
                cls, init_kwargs=kwargs, input_data=inputs, custom_objects={cls.__name__: cls}
            )
    except Exception:
        return False
    return True


def judge(path):
    """(bug found or layer clean by lamina, the like without traits, rejected by Keras)."""
    case = load(path)
    (cls, kwargs), inputs = case.make()
    traits = getattr(case, "TRAITS", None)
    try:
        report = lamina.check(cls, inputs, kwargs=kwargs, traits=traits)
    except lamina.CheckError:
        return False, False, not keras_passes(cls, kwargs, inputs)
    if hasattr(case, "CONTRACT"):
        found = bool(set(report.broken) & set(case.CONTRACT))
        return found, found, not keras_passes(cls, kwargs, inputs)
    bare = lamina.check(cls, inputs, kwargs=kwargs)
    universal = [c for c in bare.broken if CONTRACTS[c].universal]
    return report.ok, not universal, keras_passes(cls, kwargs, inputs)


def rates(folder):
    print(f"{'cases':44} {'lamina.check':>14} {'run_layer_test':>15}")
    for kind, label in (
        ("bugs", "bugs: found (Keras: rejected, for any reason)"),
        ("good", "correct layers: clean with their traits"),
    ):
        paths = sorted((folder / kind).glob("*.py"))
        start = time.perf_counter()
        ours, bare, theirs = zip(*map(judge, paths), strict=True)
        seconds = (time.perf_counter() - start) / len(paths)
        print(f"{label:44} {sum(ours):>8} of {len(paths):2} {sum(theirs):>9} of {len(paths):2}")
        if kind == "good":
            label = "  no universal contract broken without them"
            print(f"{label:44} {sum(bare):>8} of {len(paths):2}")
        print(f"  seconds a layer, all of the above together: {seconds:.1f}")
        for path, good in zip(paths, ours, strict=True):
            if not good:
                print(f"  not right about: {path.stem}")


def speed():
    x = np.random.default_rng(0).standard_normal((4, 8)).astype("float32")
    for label, contracts, limit in (("full", None, 5.0), ("fast", "fast", 1.0)):
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            lamina.check(keras.layers.Dense, x, kwargs={"units": 3}, contracts=contracts)
            seconds.append(time.perf_counter() - start)
        first, *rest = seconds
        print(
            f"Dense, {label}: {np.median(rest):.2f} s ({min(rest):.2f}..{max(rest):.2f}), "
            f"first in its process {first:.2f} s; limit {limit} s"
        )


def registry():
    from tests.registry import ROWS, case

    start = time.perf_counter()
    broken = []
    for row in ROWS:
        report = lamina.check(row.make, case(row)[1], traits=row.traits)
        broken += [row.name] if not report.ok else []
    seconds = time.perf_counter() - start
    print(f"lamina's registry: {len(ROWS)} rows, {seconds:.0f} s, not ok: {broken}; limit 300 s")


def main():
    backend = keras.backend.backend()
    print(f"keras {keras.__version__} on {backend}")
    asked = [a for a in sys.argv[1:] if a in PARTS] or PARTS
    folder = next((Path(a) for a in sys.argv[1:] if a not in PARTS), CASES)
    if "speed" in asked:
        speed()
    if "rates" in asked and folder.is_dir():
        rates(folder)
    if "registry" in asked:
        registry()


if __name__ == "__main__":
    main()
