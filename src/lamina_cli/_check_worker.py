"""The worker of `lamina check`: reads a job, runs contracts, tells its parent line by line.

`python -m lamina_cli._check_worker FD` with the job as JSON on its standard input.
"""

import dataclasses
import importlib
import importlib.util
import json
import os
import re
import sys
from pathlib import Path

ARRAY = re.compile(r"^([a-z]+\d*)\(([\d,\s]*)\)$")


class CannotRun(Exception):
    """The target could not be imported, or the options make no sense: in one sentence."""


def main():
    """One job; exit code 0 even when contracts break, for the parent judges."""
    pipe = os.fdopen(int(sys.argv[1]), "w", buffering=1)

    def say(**what):
        pipe.write(json.dumps(what, default=str) + "\n")
        pipe.flush()

    job = json.load(sys.stdin)
    try:
        work(job, say)
    except Exception as error:
        from lamina.contracts import CheckError

        known = isinstance(error, CannotRun | CheckError | ValueError | TypeError)
        say(error=str(error) if known else f"{type(error).__name__}: {error}")


def work(job, say):
    """Every layer of the target, every contract that is not done yet."""
    from lamina.contracts._check import chosen, open_case, run
    from lamina.contracts._contract import CONTRACTS, rank
    from lamina.contracts.harness._sandbox import sandbox

    follows = {c: list(CONTRACTS[c].follows) for c in sorted(CONTRACTS, key=rank)}
    asked = "fast" if job["fast"] else None
    if job["contracts"]:
        asked = job["contracts"].split(",")
    with sandbox():
        for number, (target, inputs, kwargs) in enumerate(targets(job)):
            case = open_case(target, inputs, kwargs, job["traits"])
            say(
                target=case.target.name,
                backend=os.environ["KERAS_BACKEND"],
                inputs=case.shapes,
                provisional=case.provisional,
                follows=follows,
            )
            done = job["done"].get(str(number), [])
            left = [c for c in chosen(case, asked) if c.id not in done]
            if job["portable"]:
                left = [c for c in left if c.id != "portable.backends"]
                if "portable.backends" not in done:
                    say(started="portable.backends", number=number)
                    result = across(job, case, f"{job['portable']}-{number}")
                    say(number=number, result=dataclasses.asdict(result))
            run(
                case,
                left,
                {},
                lambda contract, n=number: say(started=contract, number=n),
                lambda result, n=number: say(number=n, result=dataclasses.asdict(result)),
            )


def across(job, case, path):
    """`portable.backends`: the first backend leaves weights and outputs, the others compare."""
    from lamina.contracts.probes._portable import compare_outputs, leave_outputs

    if os.environ["KERAS_BACKEND"] == job["first"]:
        return leave_outputs(case, path)
    return compare_outputs(case, path, job["first"])


def targets(job):
    """(target, inputs, constructor arguments): one, or each layer of a saved model."""
    path = job["target"]
    if path.endswith(".keras"):
        yield from layers_of(path)
        return
    yield imported(path), sample(job["inputs"]), job["kwargs"] or None


def imported(path):
    """The class or factory named by `module:Name` or `file.py:Name`."""
    place, _, name = path.partition(":")
    try:
        if place.endswith(".py"):
            module = from_file(place)
        else:
            sys.path.insert(0, str(Path.cwd()))
            module = importlib.import_module(place)
        found = module
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:
        raise CannotRun(f"{path} could not be imported: {type(error).__name__}: {error}") from error
    return found


def from_file(place):
    """A `.py` file as a module, known to others by its name."""
    path = Path(place)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"no Python file {place}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def sample(text):
    """Arrays from words: shapes and dtypes, or a file."""
    import numpy as np

    if text is None:
        return None
    if text.endswith(".npy"):
        return np.load(text, allow_pickle=False)
    if text.endswith(".npz"):
        return dict(np.load(text, allow_pickle=False))
    parts = re.findall(r"[a-z]+\d*\([\d,\s]*\)", text)
    arrays = [array(part) for part in parts]
    if not arrays:
        raise CannotRun(
            "--inputs must be shapes such as float32(3,10,4) or [float32(3,4),int32(3)], or a "
            f".npy or .npz file. Received: {text!r}"
        )
    return arrays if text.strip().startswith("[") else arrays[0]


def array(text):
    """Random numbers of a dtype and shape; integers are 0 or 1."""
    import numpy as np

    found = ARRAY.match(text)
    shape = tuple(int(n) for n in found[2].split(",") if n.strip())
    rng = np.random.default_rng(0)
    if found[1].startswith(("int", "uint", "bool")):
        return rng.integers(0, 2, shape).astype(found[1])
    return rng.standard_normal(shape).astype(found[1])


def layers_of(path):
    """Each layer of a saved model, with inputs of the shape that it has there; safe mode on."""
    import keras
    import numpy as np

    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:
        raise CannotRun(f"{path} could not be loaded: {error}") from error
    rng = np.random.default_rng(0)

    def array(symbol):
        shape = [3 if n is None and axis == 0 else n or 6 for axis, n in enumerate(symbol.shape)]
        if keras.backend.is_float_dtype(symbol.dtype):
            return rng.standard_normal(shape).astype(symbol.dtype)
        return rng.integers(0, 2, shape).astype(symbol.dtype)

    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        try:
            inputs = keras.tree.map_structure(array, layer.input)
        except (AttributeError, ValueError):
            inputs = None
        yield layer, inputs, None


if __name__ == "__main__":
    main()
