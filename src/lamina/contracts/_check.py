"""`check`: every contract held against one layer."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras
import numpy as np

from lamina._common import Array, Tree, received
from lamina.contracts._contract import Contract
from lamina.contracts._examine import examine, report
from lamina.contracts._report import Report
from lamina.contracts._traits import Traits
from lamina.contracts.harness import Case, guess, resolve, sandbox
from lamina.contracts.probes import CONTRACTS

# Which contracts apply to a target: a cell is a layer too.
_APPLIES = {
    "layer": ("layer",),
    "cell": ("layer", "cell"),
    "initializer": ("initializer",),
}


def check(
    target: Any,
    inputs: Tree | None = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
    traits: Mapping[str, Any] | Traits | None = None,
    expected_failures: Mapping[str, str] | None = None,
    contracts: str | Iterable[str] | None = None,
) -> Report:
    """Holds a layer to the contracts that a right layer keeps, on the current backend.

    Args:
        target: A layer class (with `kwargs`), a zero-argument factory, or an instance, which is
            never changed. An initializer class or instance too.
        inputs: A sample: an array, or a list, tuple or dict of arrays, batch first. For a `call`
            of several tensors, a list in their order or a dict by their names. None: guessed.
        kwargs: Constructor arguments of a class.
        traits: What the author declares; see `Traits`.
        expected_failures: `{contract id: reason}`: breaks that are known. One that passes is a
            failure.
        contracts: Ids or groups (`"dtype.*"`) to run; `"fast"`: without the slow ones. None: all.

    Returns:
        A `Report`: `.ok`, `.broken`, `.causes`, `.results`.

    Raises:
        CheckError: if the target cannot be constructed, built or called; the message says which.

    Example:
        >>> lamina.check(keras.layers.Dense, np.ones((3, 4), "float32"), kwargs={"units": 2}).ok
        True
    """
    expected = dict(expected_failures or {})
    with sandbox():
        case = open_case(target, inputs, kwargs, traits)
        chosen = select(contracts, case.target.kind)
        for name in expected:
            if name not in CONTRACTS:
                raise ValueError(
                    f"`expected_failures` names no contract. {received('contract', name)}"
                )
        return report(case, [examine(c, case, expected.get(c.id)) for c in chosen])


def open_case(
    target: Any,
    inputs: Tree | None = None,
    kwargs: Mapping[str, Any] | None = None,
    traits: Mapping[str, Any] | Traits | None = None,
    options: Mapping[str, Any] | None = None,
    called: str = "",
    watch: Callable[[str | None], None] | None = None,
    avoid: Iterable[str] = (),
) -> Case:
    """The target constructed, built and called once.

    Args:
        target: As in `check`, and so are the next three.
        inputs: A sample.
        kwargs: Constructor arguments of a class.
        traits: What the author declares.
        options: Arguments of every call that are no tensors.
        called: What the report calls it, if not by its class.
        watch: Told `"inference"` or `"training"` before each call, and None after it.
        avoid: Modes in which the layer has killed its process: contracts that need one are
            skipped.

    Raises:
        CheckError: if that cannot be done; the message says which of the three.
    """
    found, declared = resolve(target, kwargs), Traits.of(traits)
    found.called = called
    if found.kind == "initializer":
        return Case(found, np.zeros((4, 4), "float32"), declared)
    provisional = False
    if inputs is None:
        inputs, provisional = guess(found, declared)
    own = keras.tree.map_structure(_own_array, inputs)
    case = Case(found, own, declared, provisional, options)
    case.watch = watch
    case.try_out()
    case.avoid = frozenset(avoid)
    return case


def _own_array(x: Array) -> np.ndarray:
    """A private copy: a layer that writes into its input must not reach the caller's."""
    if keras.ops.is_tensor(x):
        x = keras.ops.convert_to_numpy(x)
    x = np.array(x)
    return x.astype("float32") if x.dtype == "float64" else x


def select(contracts: str | Iterable[str] | None = None, kind: str = "layer") -> list[Contract]:
    """The contracts that apply to a kind of target, and were asked for, in the report's order.

    Args:
        contracts: Ids or groups (`"dtype.*"`); `"fast"`: without the slow ones. None: all.
        kind: `"layer"`, `"cell"` (of an RNN) or `"initializer"`.
    """
    applying = [c for c in CONTRACTS.values() if c.target in _APPLIES[kind]]
    if contracts is None:
        return applying
    if contracts == "fast":
        return [c for c in applying if not c.slow]
    wanted = [contracts] if isinstance(contracts, str) else list(contracts)
    for name in wanted:
        if not any(_matches(c, name) for c in CONTRACTS.values()):
            raise ValueError(
                "`contracts` must hold contract ids or groups such as 'dtype.*'. "
                f"{received('contract', name)}"
            )
    return [c for c in applying if any(_matches(c, name) for name in wanted)]


def _matches(contract: Contract, name: str) -> bool:
    return contract.id == name or (name.endswith("*") and contract.id.startswith(name[:-1]))
