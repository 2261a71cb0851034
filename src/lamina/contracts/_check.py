"""`check`: every contract put to one layer."""

import inspect
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras
import numpy as np

from lamina._common import received
from lamina.contracts._contract import CONTRACTS, Contract, LayerFailed, describe, open_rooms
from lamina.contracts._report import Report, Result
from lamina.contracts._traits import Traits
from lamina.contracts.harness._case import Case, try_out
from lamina.contracts.harness._guess import guess
from lamina.contracts.harness._sandbox import sandbox
from lamina.contracts.harness._shrink import smallest
from lamina.contracts.harness._target import resolve

open_rooms()


def check(
    target: Any,
    inputs: Any = None,
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
    with sandbox():
        case = open_case(target, inputs, kwargs, traits)
        return run(case, chosen(case, contracts), dict(expected_failures or {}))


def open_case(target, inputs=None, kwargs=None, traits=None) -> Case:
    """The target constructed, built and called once, or a `CheckError`."""
    found, traits = resolve(target, kwargs), Traits.of(traits)
    if found.kind == "initializer":
        return Case(found, np.zeros((4, 4), "float32"), traits)
    provisional = False
    if inputs is None:
        inputs, provisional = guess(found, traits)
    case = Case(found, keras.tree.map_structure(_array, inputs), traits, provisional)
    try_out(case)
    return case


def _array(x):
    """A private copy: a layer that writes into its input must not reach the caller's."""
    if keras.ops.is_tensor(x):
        x = keras.ops.convert_to_numpy(x)
    x = np.array(x)
    return x.astype("float32") if x.dtype == "float64" else x


def chosen(case: Case, contracts: str | Iterable[str] | None = None) -> list[Contract]:
    """The contracts that apply to a case, and were asked for."""
    return selected([c for c in CONTRACTS.values() if c.target in _kinds(case)], contracts)


def selected(every: list[Contract], contracts: str | Iterable[str] | None = None) -> list[Contract]:
    """Those asked for by id, by group, or as `"fast"`."""
    if contracts is None:
        return every
    if contracts == "fast":
        return [c for c in every if not c.slow]
    asked = [contracts] if isinstance(contracts, str) else list(contracts)
    for name in asked:
        if not any(_matches(c, name) for c in CONTRACTS.values()):
            raise ValueError(
                "`contracts` must hold contract ids or groups such as 'dtype.*'. "
                f"{received('contract', name)}"
            )
    return [c for c in every if any(_matches(c, name) for name in asked)]


def _kinds(case):
    return {"cell": ("layer", "cell"), "layer": ("layer",)}.get(case.target.kind, ("initializer",))


def _matches(contract, name):
    return contract.id == name or (name.endswith("*") and contract.id.startswith(name[:-1]))


def run(
    case: Case,
    contracts: Iterable[Contract],
    expected: Mapping[str, str],
    started: Callable[[str], None] = lambda contract: None,
    done: Callable[[Result], None] = lambda result: None,
) -> Report:
    """Each contract in turn; the callbacks tell a watcher where it is."""
    for name in expected:
        if name not in CONTRACTS:
            raise ValueError(f"`expected_failures` names no contract. {received('contract', name)}")
    results = []
    for contract in contracts:
        started(contract.id)
        results.append(put(contract, case, expected.get(contract.id)))
        done(results[-1])
    name, backend = case.target.name, keras.backend.backend()
    return Report(name, backend, case.shapes, case.provisional, results)


def put(contract: Contract, case: Case, expected: str | None = None) -> Result:
    """One contract's answer, the policy put back after it."""
    policy = keras.config.dtype_policy()
    start = time.perf_counter()
    result = ask(contract, case)
    if result.status == "broken":
        result = smallest(contract, case, result, ask, time.perf_counter() - start)
    keras.config.set_dtype_policy(policy)
    result.contract, result.provisional = contract.id, case.provisional
    result.seconds = time.perf_counter() - start
    if expected is not None and result.status == "broken":
        result.status, result.message = "expected", f"{expected} ({result.message})"
    elif expected is not None and result.status == "passed":
        result.status = "unexpected_pass"
        result.message = f"expected to break ({expected}), but it holds: take the entry out"
    return result


def ask(contract: Contract, case: Case) -> Result:
    """The contract's answer, excuses and failures of the layer taken into account."""
    if contract.needs and contract.needs not in case.traits:
        return Result(contract.id, "skipped", f"the trait `{contract.needs}` is not declared")
    try:
        result = contract.ask(case) or Result(contract.id, "passed")
    except LayerFailed as failure:
        result = Result(
            contract.id,
            "broken",
            str(failure),
            inspect.getdoc(contract.ask) or "",
            "make this work, or see the layer's own message",
            {"inputs": case.shapes},
        )
    except Exception as error:
        return Result(contract.id, "error", f"the check itself failed: {describe(error)}")
    if result.status == "broken":
        _explain(contract, case, result)
    return result


def _explain(contract, case, result):
    """What a trait would explain says so; advice stays advice."""
    trait = result.trait or contract.excused_by
    if trait and trait not in case.traits:
        result.trait = trait
        result.hint = (
            f"{result.hint + '; or ' if result.hint else ''}by design? declare the "
            f"trait `{trait}`: declare it or fix it"
        )
    if contract.advice:
        result.status = "advice"
    result.example.setdefault("inputs", case.shapes)
