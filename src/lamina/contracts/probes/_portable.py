"""The contract of portability: nothing in call() belongs to one backend."""

import sys
import traceback
from pathlib import Path

import keras
import numpy as np

from lamina.contracts._contract import LayerFailed, broken, contract
from lamina.contracts._report import Result
from lamina.contracts.harness._backends import BACKEND, can_compile, compiled
from lamina.contracts.harness._case import layer_code
from lamina.contracts.harness._compare import as_array, difference, leaves, same_shapes
from lamina.contracts.harness._spies import patched, random_draws

# Two backends differ in the order of their sums.
TOLERANCE = 1e-4

# What is said when a symbolic tensor meets a function, or is asked for an attribute, of a backend.
NATIVE = (
    "cannot be used as input to a",
    "not KerasTensor",
    "got KerasTensor",
    "got (KerasTensor",
    "'KerasTensor' object has no attribute",
)
NUMPY = "convert it to a NumPy array"
# Where TensorFlow and JAX call what `keras.ops.custom_gradient` made: no symbolic tensor goes in.
CUSTOM_GRADIENT = {"custom_gradient", "custom_derivatives"}


@contract("portable.backends")
def only_keras_operations(case):
    """call() hands its tensors to functions of one backend: it fails on the others."""
    layer = case.ready()
    native = _native_call(case, layer)
    # A layer with one way for each backend is asked again as if this were another.
    if native and not _native_call(case, layer, pretend=True):
        native = None
    if native:
        what, line = native
        return broken(
            f"call() uses {what} directly: {line}",
            "the layer runs on this backend only, or only where nothing is compiled",
            "use keras.ops; `lamina check --backends tensorflow,jax,torch` runs it on each",
            backend=BACKEND,
        )


def _native_call(case, layer, pretend=False):
    """Calls `call` on symbolic tensors, which only Keras' own operations accept."""
    symbols = case.symbols(case.batch)
    args, kwargs = case.arguments(layer, symbols)
    try:
        if pretend:
            with patched(keras.backend, "backend", lambda original: lambda: "another"):
                with patched(keras.config, "backend", lambda original: lambda: "another"):
                    layer.call(*args, **kwargs)
        else:
            layer.call(*args, **kwargs)
    except Exception as error:
        what = "NumPy" if NUMPY in str(error) and case.traits.jit else None
        if any(said in str(error) for said in NATIVE):
            what = BACKEND
        line = what and _own_line(error)
        return (what, line) if line else None
    return None


def _own_line(error):
    """The layer's own line that called the backend; None where Keras itself did."""
    backends = [_folder(name) for name in ("tensorflow", "jax", "torch", "numpy")]
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
    module = sys.modules.get(package)
    return Path(module.__file__).parent if module else None


def leave_outputs(case, path):
    """Weights, compiled outputs and reproducibility of the first backend, for the others."""
    layer = case.ready(perturb=True)
    arrays = {f"weight{n}": as_array(v.value) for n, v in enumerate(layer.weights)}
    with random_draws() as draws:
        outputs = _run_compiled(case, layer)
    arrays |= {f"output{n}": y for n, y in enumerate(outputs)}
    arrays["random"] = np.array(draws.any)
    np.savez(f"{path}.npz", **arrays)
    return Result("portable.backends", "passed", f"outputs of {BACKEND} kept for the others")


def compare_outputs(case, path, first):
    """The same weights and inputs, compiled on this backend: the same outputs?"""
    try:
        return _compared(case, path, first)
    except LayerFailed as failure:
        return Result(
            "portable.backends",
            "broken",
            f"on {BACKEND}: {failure}",
            f"the layer runs on {first} only",
            "use keras.ops for everything in call()",
        )


def _compared(case, path, first):
    if not Path(f"{path}.npz").is_file():
        return Result("portable.backends", "skipped", f"{first} left no outputs to compare with")
    kept = dict(np.load(f"{path}.npz"))
    layer = case.ready()
    weights = [v for n, v in enumerate(layer.weights) if f"weight{n}" in kept]
    if len(weights) != sum(name.startswith("weight") for name in kept):
        return Result("portable.backends", "broken", f"on {BACKEND} it has other weights")
    for number, variable in enumerate(weights):
        variable.assign(kept[f"weight{number}"].astype(variable.dtype))
    after = _run_compiled(case, layer)
    if kept["random"]:
        return Result("portable.backends", "passed", "it draws random numbers: shapes only")
    before = [kept[f"output{n}"] for n in range(len(after)) if f"output{n}" in kept]
    if not same_shapes(before, after):
        return Result("portable.backends", "broken", f"{BACKEND} gives other shapes than {first}")
    if worst := difference(before, after, TOLERANCE, TOLERANCE):
        return Result(
            "portable.backends",
            "broken",
            f"{BACKEND} gives {worst.after:.6g} where {first} gives {worst.before:.6g}",
            "a model trained on one backend predicts something else on another",
            "look for integer division, rounding, sorting of ties, or a backend's own default",
            worst.values(),
        )
    return Result("portable.backends", "passed", f"{BACKEND} equals {first}")


def _run_compiled(case, layer):
    """Outputs under jit where the backend has it: eager code hides another backend's functions."""
    if not (can_compile() and case.traits.jit):
        return case.call(layer, training=False)
    run = compiled(layer, lambda tree: case.apply(layer, tree, False), jit=True)
    with layer_code(f"calling it compiled on {BACKEND}"):
        return leaves(run(case.tensors()))
