"""A stand-alone script, without lamina, that fails as a layer does."""

import base64
import sys
from pathlib import Path

import keras
import numpy as np

from lamina._common import Tree
from lamina.contracts._result import Result
from lamina.contracts._scripts import FIXED, SCRIPTS
from lamina.contracts.harness import Case, Target, unpacked

# Numbers that are written out; more are packed into one string.
FEW = 48
HELPERS = {
    "tree": "tree = keras.tree.map_structure",
    "arrays": "arrays = lambda y: "
    "[np.asarray(ops.convert_to_numpy(a)) for a in keras.tree.flatten(y)]",
    "arguments": "arguments = lambda x: {arguments}",
    "called": "called = lambda layer, x, **how: "
    "arrays(layer(*arguments(tree(ops.convert_to_tensor, x)), **how))",
    "perturbed": "def perturbed(layer, x):\n"
    "    called(layer, x)\n"
    "    layer.set_weights([w * 1.03 + 0.03 for w in layer.get_weights()])\n"
    "    return layer",
    "same": "def same(one, other, exact=False):\n"
    "    for a, b in zip(one, other, strict=True):\n"
    "        np.testing.assert_allclose(a, b, *((0, 0) if exact else (1e-3, 1e-4)))",
    "other": "def other(a, seed):\n"
    "    rng = np.random.default_rng(seed)\n"
    "    return rng.uniform(a.min() - 1e-3, a.max() + 1, a.shape).astype(a.dtype)",
    "row": "row = lambda a: np.arange(len(a)).reshape(-1, *[1] * (a.ndim - 1))",
    "shapes": "shapes = lambda x: tuple(x.shape)",
    "unknown": "unknown = lambda a: "
    "[None if n in (0, *{axes}) else s for n, s in enumerate(a.shape)]",
    "longer": "longer = lambda x, by: tree(lambda a: np.concatenate([a] + [a[:, :1]] * by, 1), x)",
}
# What a helper needs of the others, itself last.
NEEDS = {
    "called": ("tree", "arrays", "arguments", "called"),
    "perturbed": ("tree", "arrays", "arguments", "called", "perturbed"),
    "longer": ("tree", "longer"),
}
MODULES = ("copy", "inspect", "tempfile")


def script(case: Case, backend: str, result: Result) -> str:
    """The script for one broken result.

    Raises:
        ValueError: if there is none: for this contract, or for a layer that cannot be imported.
    """
    target = case.target
    if result.contract not in SCRIPTS:
        raise ValueError(f"there is no script for {result.contract}: {result.message}")
    body = SCRIPTS[result.contract]
    if result.contract in ("config.base", "config.complete", "trait.equivariant"):
        words = {"dtype": "bfloat16", "argument": "", "axis": 1, **result.example}
        for key in ("{dtype}", "{argument!r}", "{axis}"):
            name = key.strip("{}").removesuffix("!r")
            body = body.replace(key, repr(words[name]) if "!r" in key else str(words[name]))
    body = body.replace("SYMBOLS", FIXED)
    body = body.replace("MODE", str("in training" in result.message)).strip("\n")
    inputs = unpacked(result.sample)
    values = _values(inputs)
    modules = [m for m in ("base64", *MODULES) if f"{m}." in body + values]
    lines = [
        f'"""{target.name}: {result.contract}: {_safe(result.message)}"""',
        f"import {', '.join(['os', 'sys', *modules])}",
        f'os.environ.setdefault("KERAS_BACKEND", "{backend}")',
        "import keras, numpy as np",
        "from keras import ops",
        *_imports(target),
        f"x = {values}",
        "rows = keras.tree.flatten(x)[0].shape[0]",
    ]
    lines += _constructor(target, body)
    for name in _needed(body):
        spread = "list(x)" if case.several else "[x]"
        text = HELPERS[name].replace("{arguments}", spread)
        lines += text.replace("{axes}", repr(case.traits.variable_axes or (1,))).splitlines()
    lines += [line for line in body.splitlines() if line.strip()]
    return "\n".join(lines) + "\n"


def _safe(text: str) -> str:
    return " ".join(text.replace('"', "'").replace("\\", "/").split())[:160]


def _needed(body: str) -> list[str]:
    found = []
    for name in HELPERS:
        if f"{name}(" in body:
            found += [n for n in NEEDS.get(name, (name,)) if n not in found]
    order = list(HELPERS)
    if any(n in found for n in ("called", "longer")) or "tree(" in body:
        found = [*found, "tree"]
    return sorted(set(found), key=order.index)


def _values(tree: Tree) -> str:
    """Arrays as an expression."""
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{k!r}: {_values(v)}" for k, v in tree.items()) + "}"
    if isinstance(tree, list | tuple):
        return "[" + ", ".join(_values(v) for v in tree) + "]"
    is_text = tree.dtype.kind in "OSU"
    # Infinities and NaN have no literal.
    if is_text or (tree.size <= FEW and np.isfinite(tree).all()):
        return f"np.array({tree.tolist()}, {tree.dtype.name!r})"
    packed = base64.b85encode(np.ascontiguousarray(tree).tobytes()).decode()
    return f"np.frombuffer(base64.b85decode({packed!r}), {tree.dtype.name!r}).reshape({tree.shape})"


def _imports(target: Target) -> list[str]:
    """How the script gets at the layer's class."""
    cls = target.cls
    if cls.__module__.startswith("keras."):
        return [f"CLASS = keras.layers.{cls.__name__}"]
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    top = cls.__module__.partition(".")[0]
    lines = []
    if file and "site-packages" not in file:
        folder = Path(file).resolve().parents[cls.__module__.count(".")]
        lines = [f"sys.path.insert(0, {str(folder)!r})"]
    module = cls.__module__ if top != "__main__" else Path(file or "x").stem
    name = cls.__qualname__
    if "<locals>" in name:
        raise ValueError(f"{name} is made in a function: a script cannot import it")
    outer, _, inner = name.partition(".")
    if inner:
        return [*lines, f"from {module} import {outer}", f"CLASS = {name}"]
    return [*lines, f"from {module} import {name} as CLASS"]


def _constructor(target: Target, body: str) -> list[str]:
    """`make`, and what it takes."""
    own = ["OWN = {CLASS.__name__: CLASS}"] if "OWN" in body else []
    if target.kwargs is not None:
        pairs = ", ".join(f"{k!r}: {_argument(v)}" for k, v in target.kwargs.items())
        lines = [*own, f"KWARGS = {{{pairs}}}"]
    else:
        text = repr(keras.saving.serialize_keras_object(target.make().get_config()))
        return [
            *own,
            f"KWARGS = keras.saving.deserialize_keras_object({text})",
            "make = lambda **more: CLASS.from_config({**KWARGS, **more})",
        ]
    copied = "copy.deepcopy(KWARGS)" if "copy." in body else "KWARGS"
    return [*lines, f"make = lambda **more: CLASS(**{{**{copied}, **more}})"]


def _argument(value: object) -> str:
    if isinstance(value, np.ndarray):
        return _values(value)
    if isinstance(value, keras.layers.Layer | keras.initializers.Initializer):
        text = repr(keras.saving.serialize_keras_object(value))
        return f"keras.saving.deserialize_keras_object({text})"
    return repr(value)
