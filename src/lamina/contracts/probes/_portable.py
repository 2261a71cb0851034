"""The contract of portability: nothing in call() belongs to one backend."""

import ast
import builtins
import contextlib
import inspect
import re
import sys
import traceback
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lamina.contracts._contract import Answer, advice, broken, contract, skipped
from lamina.contracts._result import Result
from lamina.contracts.harness import (
    BACKEND,
    Case,
    LayerFailed,
    as_array,
    can_compile,
    compiled,
    difference,
    layer_code,
    leaves,
    patched,
    random_draws,
    same_shapes,
)

# Two backends differ in the order of their sums.
TOLERANCE = 1e-4

# The errors where a symbolic tensor meets a backend's function, or lacks a tensor's attribute.
NATIVE = (
    "cannot be used as input to a",
    "not KerasTensor",
    "got KerasTensor",
    "got (KerasTensor",
    "'KerasTensor' object has no attribute",
)
PACKAGES = ("tensorflow", "jax", "torch")
NUMPY = "convert it to a NumPy array"
# Where TensorFlow and JAX call what `keras.ops.custom_gradient` made: no symbolic tensor goes in.
CUSTOM_GRADIENT = {"custom_gradient", "custom_derivatives"}


@contract("portable.backends", excused_by="backends")
def only_keras_operations(case: Case) -> Answer:
    """call() hands its tensors to functions of one backend: it fails on the others.

    Promise: call() uses Keras' own operations, which every backend has.

    A layer that breaks it:

        def call(self, x):
            return tf.nn.relu(x)

    Repair: use keras.ops; a choice between backends is made by keras.backend.backend().
    Trait: `backends` says that it is by design.
    """
    if case.traits.backends:
        return skipped(f"the trait `backends` says {', '.join(case.traits.backends)}")
    layer = case.ready()
    native = _native_call(case, layer)
    # A layer with one way for each backend is called again as if this were each of the others.
    others = [name for name in PACKAGES if name != BACKEND]
    if native and any(_native_call(case, layer, pretend=name) for name in others):
        what, line = native
        if module := _chosen_at_import(case.target.cls):
            return advice(
                f"call() uses {what} directly: {line}; but {module} asks for the backend when it "
                "is imported, and may choose another implementation there",
                "whether it runs on another backend shows only there",
                "`lamina check --backends tensorflow,jax,torch` runs it on each",
            )
        return broken(
            f"call() uses {what} directly: {line}",
            "the layer runs on this backend only, or only where nothing is compiled",
            "use keras.ops; `lamina check --backends tensorflow,jax,torch` runs it on each",
            declare=(BACKEND,),
            backend=BACKEND,
        )


def _native_call(case, layer, pretend=None):
    """Calls `call` on symbolic tensors, which only Keras' own operations accept."""
    symbols = case.symbols(case.batch)
    args, kwargs = case.arguments(layer, symbols)
    try:
        with _as_if_on(pretend) if pretend else contextlib.nullcontext():
            layer.call(*args, **kwargs)
    except Exception as error:
        what = "NumPy" if NUMPY in str(error) and case.traits.jit else None
        if any(part in str(error) for part in NATIVE):
            what = BACKEND
        line = what and _own_line(error)
        return (what, line) if line else None
    return None


@contextlib.contextmanager
def _as_if_on(backend):
    """Keras names another backend, whose import fails: a layer that tries it has a way for it."""

    def importing(original):
        def run(name, *args, **kwargs):
            if name.partition(".")[0] == backend:
                raise ImportError(f"{backend} is only pretended")
            return original(name, *args, **kwargs)

        return run

    with (
        patched(keras.backend, "backend", lambda original: lambda: backend),
        patched(keras.config, "backend", lambda original: lambda: backend),
        patched(builtins, "__import__", importing),
    ):
        yield


# A question for the backend: `keras.backend.backend()`, `keras.config.backend()`.
ASKS = re.compile(r"\bbackend\(\)|KERAS_BACKEND")


def _chosen_at_import(cls):
    """The module that asks for the backend when it is imported and so chooses this class, or None.

    The class's own module, or one of its package that names the class or its module in a choice.
    """
    folder, _, own = cls.__module__.rpartition(".")
    for name, module in list(sys.modules.items()):
        if name != cls.__module__ and not (folder and f"{name}.".startswith(f"{folder}.")):
            continue
        outside = _outside_functions(module)
        if not any(ASKS.search(ast.unparse(s)) for s in outside):
            continue
        if name == cls.__module__ or any(_chooses(s, {own, cls.__name__}) for s in outside):
            return name
    return None


def _outside_functions(module):
    """The statements of a module without its definitions and its plain imports."""
    try:
        source = inspect.getsource(module)
        statements = ast.parse(source).body if ASKS.search(source) else []
    except (OSError, TypeError, SyntaxError):
        return []
    plain = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    return [s for s in statements if not isinstance(s, plain)]


def _chooses(statement, names):
    """Is it a choice that names one of them, or an import of a module named by the backend?"""
    text = ast.unparse(statement)
    if ASKS.search(text) and "import_module" in text:
        return True
    nodes = list(ast.walk(statement))
    choice = (ast.If, ast.IfExp, ast.Match, ast.Try)
    if not (ASKS.search(text) or any(isinstance(n, choice) for n in nodes)):
        return False
    said = {n.id for n in nodes if isinstance(n, ast.Name)}
    said |= {n.attr for n in nodes if isinstance(n, ast.Attribute)}
    for n in nodes:
        if isinstance(n, ast.Import | ast.ImportFrom):
            said |= {part for a in n.names for part in a.name.split(".")}
            said |= set((getattr(n, "module", "") or "").split("."))
    return bool(said & names)


def _own_line(error):
    """The layer's own line that called the backend; None where Keras itself did."""
    backends = [_folder(name) for name in (*PACKAGES, "numpy")]
    below = None
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        above = Path(frame.filename).parents
        if Path(frame.filename).stem in CUSTOM_GRADIENT:
            return None
        if _folder("keras") in above and not frame.filename.endswith("keras_tensor.py"):
            return None
        if not any(folder in above for folder in [*backends, _folder("keras")]):
            return None if _is_operator(below) else f"`{frame.line}` (line {frame.lineno})"
        below = frame
    return None


def _is_operator(frame):
    """Was the backend called by `weight * x` or the like, which runs on every backend?

    A tensor that meets a symbolic one on its right refuses it: always on JAX, comparisons on
    TensorFlow.
    """
    return frame is not None and (
        frame.name.startswith("_operator_") or frame.filename.endswith("operator_overrides.py")
    )


def _folder(package):
    """Where an imported package lies."""
    file = getattr(sys.modules.get(package), "__file__", None)
    return Path(file).parent if file else None


def across_backends(case: Case, path: str, first: str) -> Result:
    """`portable.backends` where the layer runs on several backends, each in a process of its own.

    Args:
        case: The layer.
        path: Where the first backend leaves its weights and outputs, without a suffix.
        first: The first backend; every other one compares its outputs with that one's.
    """
    if case.traits.backends and BACKEND not in case.traits.backends:
        result = skipped(f"the trait `backends` says {', '.join(case.traits.backends)}")
    elif first == BACKEND:
        result = _leave_outputs(case, path)
    else:
        try:
            result = _compare_outputs(case, path, first)
        except LayerFailed as failure:
            result = broken(
                f"on {BACKEND}: {failure}",
                f"the layer runs on {first} only",
                "use keras.ops for everything in call()",
            )
    result.contract = only_keras_operations.id
    return result


def _leave_outputs(case, path):
    """Weights, compiled outputs and reproducibility of the first backend, for the others."""
    layer = case.ready(perturb=True)
    arrays: dict[str, Any] = {f"weight{n}": as_array(v.value) for n, v in enumerate(layer.weights)}
    with random_draws() as draws:
        outputs = _run_compiled(case, layer)
    arrays |= {f"output{n}": y for n, y in enumerate(outputs)}
    arrays["random"] = np.array(draws.any)
    np.savez(f"{path}.npz", **arrays)
    return _passed(f"outputs of {BACKEND} kept for the others")


def _compare_outputs(case, path, first):
    """The same weights and inputs, compiled on this backend: the same outputs?"""
    if not Path(f"{path}.npz").is_file():
        return skipped(f"{first} left no outputs to compare with")
    kept = dict(np.load(f"{path}.npz"))
    layer = case.ready()
    weights = [v for n, v in enumerate(layer.weights) if f"weight{n}" in kept]
    if len(weights) != sum(name.startswith("weight") for name in kept):
        return broken(f"on {BACKEND} it has other weights")
    for number, variable in enumerate(weights):
        variable.assign(kept[f"weight{number}"].astype(variable.dtype))
    after = _run_compiled(case, layer)
    if kept["random"]:
        return _passed("it draws random numbers: shapes only")
    before = [kept[f"output{n}"] for n in range(len(after)) if f"output{n}" in kept]
    if not same_shapes(before, after):
        return broken(f"{BACKEND} gives other shapes than {first}")
    if worst := difference(before, after, TOLERANCE, TOLERANCE):
        return broken(
            f"{BACKEND} gives {worst.after:.6g} where {first} gives {worst.before:.6g}",
            "a model trained on one backend predicts something else on another",
            "look for integer division, rounding, sorting of ties, or a backend's own default",
            **worst.values(),
        )
    return _passed(f"{BACKEND} equals {first}")


def _passed(message):
    return Result("", "passed", message)


def _run_compiled(case, layer):
    """Outputs under jit where the backend has it: eager code hides another backend's functions."""
    if not (can_compile() and case.traits.jit):
        return case.call(layer, training=False)
    run = compiled(layer, lambda tree: case.apply(layer, tree, False), jit=True)
    with layer_code(f"calling it compiled on {BACKEND}"):
        return leaves(run(case.tensors()))
