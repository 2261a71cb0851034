"""One contract held against a case, and what its answers have to do with each other."""

import inspect
import time
from typing import Any

import keras

from lamina.contracts._contract import Contract
from lamina.contracts._report import Report
from lamina.contracts._result import FAILING, Result
from lamina.contracts.harness import (
    Case,
    LayerFailed,
    ModeAvoided,
    one_line,
    packed,
    smallest,
)
from lamina.contracts.probes import CONTRACTS

# What each excusing trait may be declared as, where the contract itself does not say.
EXCUSES: dict[str, tuple[Any, ...]] = {
    "stochastic": ("train", "always"),
    "stateful": ("train", "always"),
    "batch_coupled": ("train", "always"),
    "batch_axes_out": (1, 2, None),
    "fixed_batch": (True,),
    "domain": ((1e-3, None), "as the sample"),
    "differentiable": (False,),
    "surrogate_gradient": (True,),
    "output_dtype": ("input",),
    "python_state": (True,),
    "jit": (False,),
    "integers": ("wrap",),
    "draws": ("batch",),
}
# The root whose repair, attributes that no call changes, can be made here.
STATE = "state.no_python_mutation"


def examine(contract: Contract, case: Case, expected: str | None = None) -> Result:
    """One contract's result.

    Args:
        contract: One that applies to the case's kind of target.
        case: From `open_case`, inside a `sandbox()`.
        expected: Why a break is known; one that does not come is then a failure.
    """
    start = time.perf_counter()
    result = _answer(contract, case)
    if result.status == "broken":
        seconds = time.perf_counter() - start
        small, result = smallest(case, result, lambda other: _answer(contract, other), seconds)
        _excuse(contract, small, result)
        result.sample = packed(small.inputs)
    result.contract, result.provisional = contract.id, case.provisional
    result.seconds = time.perf_counter() - start
    if expected is not None and result.status == "broken":
        result.status, result.message = "expected", f"{expected} ({result.message})"
    elif expected is not None and result.status == "passed":
        result.status = "unexpected_pass"
        result.message = f"expected to break ({expected}), but it holds: take the entry out"
    return result


def report(case: Case, results: list[Result]) -> Report:
    """The results on one case, as a report; inside a `sandbox()`."""
    broken = {r.contract: r for r in results if r.status == "broken"}
    for result in broken.values():
        above = [broken[c] for c in CONTRACTS[result.contract].follows if c in broken]
        result.follows = [r.contract for r in above if _brings(case, r, result)]
    return Report(
        case.target.label,
        keras.backend.backend(),
        case.shapes,
        case.provisional,
        results,
        case,
    )


def _answer(contract: Contract, case: Case) -> Result:
    """The contract's answer, traits and failures of the layer's own code taken into account.

    The dtype policy is restored after it.
    """
    if contract.needs and contract.needs not in case.traits:
        return Result(contract.id, "skipped", f"the trait `{contract.needs}` is not declared")
    policy = keras.config.dtype_policy()
    try:
        result = contract.ask(case) or Result(contract.id, "passed")
    except ModeAvoided as avoided:
        why = f"not tried: a call in {avoided} has killed the process or hung before"
        return Result(contract.id, "skipped", why)
    except LayerFailed as failure:
        result = Result(
            contract.id,
            "broken",
            str(failure),
            (inspect.getdoc(contract.ask) or "").partition("\n")[0],
            "make this work, or see the layer's own message",
            where=failure.where,
        )
    except TimeoutError:
        raise  # The user's own, who wants an end.
    except Exception as error:
        return Result(contract.id, "error", f"the check itself failed: {one_line(error)}")
    finally:
        keras.config.set_dtype_policy(policy)
    if result.status == "broken":
        result.status = "advice" if contract.advice else "broken"
        result.example.setdefault("inputs", case.shapes)
    return result


def _excuse(contract: Contract, case: Case, result: Result) -> None:
    """Names the trait that would make a break one by design, if declaring it does."""
    trait = result.trait or contract.excused_by
    result.trait = None
    if not trait:
        return
    values = EXCUSES.get(trait, ()) if result.declare is None else (result.declare,)
    for value in values:
        if _answer(contract, case.declaring(**{trait: value})).status not in FAILING:
            result.trait, result.declare = trait, value
            how = f"by design? declare the trait `{trait}={value!r}`: declare it or fix it"
            result.hint = f"{result.hint}; or {how}" if result.hint else how
            return


def _brings(case: Case, root: Result, result: Result) -> bool:
    """Is a break a consequence of another: does it go when that one is repaired or declared?"""
    if root.where and root.where == result.where:
        return True  # The same line of the layer fails.
    contract = CONTRACTS[result.contract]
    if root.contract == STATE:
        repaired = case.declaring(held=True, python_state=True)
    elif root.trait:
        repaired = case.declaring(**{root.trait: root.declare})
    else:
        return True  # No repair of it can be made here.
    return _answer(contract, repaired).status not in FAILING
