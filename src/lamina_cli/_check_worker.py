"""The worker of `lamina check`: reads a job, runs contracts, reports to its parent line by line.

`python -m lamina_cli._check_worker FD` with the job as JSON on its standard input.
"""

import dataclasses
import functools
import importlib
import importlib.util
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from lamina.contracts import Case

# One array of a sample in words, such as float32(3,10,4).
ARRAY = re.compile(r"[a-z]+\d*\([\d,\s]*\)")


class CannotRun(Exception):
    """The target could not be imported, or the options make no sense: in one sentence."""


def main() -> None:
    """One job; exit code 0 even when contracts break, for the parent judges."""
    pipe = os.fdopen(int(sys.argv[1]), "w", buffering=1)

    def send(**message: Any) -> None:
        pipe.write(json.dumps(message, default=str) + "\n")
        pipe.flush()

    job = json.load(sys.stdin)
    try:
        work(job, send)
    except Exception as error:
        from lamina.contracts import CheckError

        known = isinstance(error, CannotRun | CheckError | ValueError | TypeError)
        send(error=str(error) if known else f"{type(error).__name__}: {error}")


def work(job: dict[str, Any], send: Callable[..., None]) -> None:
    """Every layer of the target, every contract that has no result yet; then its report.

    Sends, in this order: `started` and `result` of each contract, `report` and `text` of each
    layer. `job["results"]` holds what earlier workers, which died, had found of each.
    """
    from lamina.contracts import Result, open_case, report, sandbox

    with sandbox():
        for number, (target, inputs, kwargs) in enumerate(targets(job)):
            case = open_case(target, inputs, kwargs, job["traits"])
            send(opened=case.target.name, number=number)
            results = [Result(**found) for found in job["results"].get(str(number), [])]
            done = {r.contract for r in results}
            for contract, examination in examinations(job, case, number).items():
                if contract in done:
                    continue
                send(started=contract, number=number)
                results.append(examination())
                send(result=dataclasses.asdict(results[-1]), number=number)
            finished = report(case, results)
            send(report=finished.to_dict(), text=str(finished))


def examinations(job: dict[str, Any], case: "Case", number: int) -> dict[str, functools.partial]:
    """How each contract that is to be run gives its result, by its id."""
    from lamina.contracts import across_backends, examine, select

    chosen = job["contracts"].split(",") if job["contracts"] else "fast" if job["fast"] else None
    each = {c.id: functools.partial(examine, c, case) for c in select(chosen, case.target.kind)}
    if not job["portable"]:
        return each
    path = f"{job['portable']}-{number}"
    across = {"portable.backends": functools.partial(across_backends, case, path, job["first"])}
    # Several backends run: their outputs are compared first of all, whatever was chosen.
    return across | each | across


def targets(job: dict[str, Any]) -> Iterator[tuple[Any, Any, dict[str, Any] | None]]:
    """(target, inputs, constructor arguments): one, or each layer of a saved model."""
    path = job["target"]
    if path.endswith(".keras"):
        yield from layers_of(path)
        return
    yield imported(path), sample(job["inputs"]), job["kwargs"] or None


def imported(path: str) -> Any:
    """The class or factory named by `module:Name` or `file.py:Name`."""
    place, _, name = path.partition(":")
    try:
        if place.endswith(".py"):
            module = from_file(place)
        else:
            sys.path.insert(0, str(Path.cwd()))
            module = importlib.import_module(place)
        found: Any = module
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:
        raise CannotRun(f"{path} could not be imported: {type(error).__name__}: {error}") from error
    return found


def from_file(place: str) -> ModuleType:
    """A `.py` file as a module, known to others by its name."""
    path = Path(place)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"no Python file {place}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def sample(text: str | None) -> Any:
    """Arrays from words: shapes and dtypes, or a file."""
    import numpy as np

    if text is None:
        return None
    if text.endswith(".npy"):
        return np.load(text, allow_pickle=False)
    if text.endswith(".npz"):
        return dict(np.load(text, allow_pickle=False))
    parts = ARRAY.findall(text)
    arrays = [array(part) for part in parts]
    if not arrays:
        raise CannotRun(
            "--inputs must be shapes such as float32(3,10,4) or [float32(3,4),int32(3)], or a "
            f".npy or .npz file. Received: {text!r}"
        )
    return arrays if text.strip().startswith("[") else arrays[0]


def array(text: str) -> "np.ndarray":
    """Random numbers of a dtype and shape; integers are 0 or 1."""
    import numpy as np

    dtype, _, sizes = text.rstrip(")").partition("(")
    shape = tuple(int(n) for n in sizes.split(",") if n.strip())
    rng = np.random.default_rng(0)
    if dtype.startswith(("int", "uint", "bool")):
        return rng.integers(0, 2, shape).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


def layers_of(path: str) -> Iterator[tuple[Any, Any, None]]:
    """Each layer of a saved model, with inputs of the shape that it has there; safe mode on."""
    import keras
    import numpy as np

    try:
        model: Any = keras.saving.load_model(path, compile=False)
    except Exception as error:
        raise CannotRun(f"{path} could not be loaded: {error}") from error
    rng = np.random.default_rng(0)

    def array(symbol: Any) -> "np.ndarray":
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
