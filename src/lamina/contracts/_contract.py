"""The contracts' common form: a function that looks for one failure in a case."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from lamina.contracts._result import Result
from lamina.contracts.harness import Case

# What a contract's function returns: None where the layer keeps the contract.
Answer: TypeAlias = Result | None

# The rank of what is a consequence more often than a cause.
LAST = 1000


@dataclass(frozen=True)
class Contract:
    """One promise that a right layer keeps, and the function that looks for a break of it.

    Attributes:
        id: Its public name.
        ask: The function: a case in, a `Result` out, or None where the contract is kept. The first
            line of its docstring states the failure.
        excused_by: The trait that would explain a break.
        needs: The trait that switches it on.
        advice: A break is advice only.
        slow: Left out by `fast`.
        follows: Contracts of which a break of this one is usually a consequence.
        target: What it applies to: "layer", "cell" or "initializer".
        rank: Its place among possible root causes: the lower, the likelier. The ranks go in tens,
            so that another fits between; equal ones rank in the order of the report.
    """

    id: str
    ask: Callable[[Case], Answer]
    excused_by: str | None = None
    needs: str | None = None
    advice: bool = False
    slow: bool = False
    follows: tuple[str, ...] = ()
    target: str = "layer"
    rank: int = LAST

    @property
    def universal(self) -> bool:
        """Holds for every layer; no trait excuses a break."""
        return not (self.excused_by or self.needs or self.advice)


def contract(id: str, **marks: Any) -> Callable[[Callable[[Case], Answer]], Contract]:
    """Makes a function the contract `id`; `marks` are the other attributes of `Contract`."""

    def made(ask: Callable[[Case], Answer]) -> Contract:
        return Contract(id, ask, **marks)

    return made


def broken(
    message: str,
    means: str = "",
    repair: str = "",
    trait: str | None = None,
    declare: Any = None,
    **example: Any,
) -> Result:
    """A break: what happened, what it means, how to repair it, and the counter-example.

    `declare` is the value of the excusing trait that would make the break one by design.
    """
    return Result("", "broken", message, means, repair, example, trait, declare=declare)


def skipped(why: str) -> Result:
    """The contract cannot be checked here."""
    return Result("", "skipped", why)


def advice(
    message: str, means: str = "", repair: str = "", trait: str | None = None, **example: Any
) -> Result:
    """Worth a look; never a failure."""
    return Result("", "advice", message, means, repair, example, trait)
