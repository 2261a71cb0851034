"""The contracts' common form: a named function that asks one question of a case."""

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lamina.contracts._report import Result


@dataclass(frozen=True)
class Contract:
    """One question about a layer.

    Attributes:
        id: Its public name.
        ask: `case -> Result fields`: the function.
        excused_by: The trait that would explain a break.
        needs: The trait that switches it on.
        advice: A break is advice only.
        slow: Left out by `fast`.
        follows: Contracts of which a break of this one is usually a consequence.
        target: What it applies to: "layer", "cell" or "initializer".
    """

    id: str
    ask: Callable[[Any], Any]
    excused_by: str | None = None
    needs: str | None = None
    advice: bool = False
    slow: bool = False
    follows: tuple[str, ...] = ()
    target: str = "layer"

    @property
    def universal(self) -> bool:
        """Holds for every layer; no trait excuses a break."""
        return not (self.excused_by or self.needs or self.advice)


CONTRACTS: dict[str, Contract] = {}

# The rooms of the contracts, in the order of the report; each registers its own when imported.
ROOMS = (
    "_config",
    "_arguments",
    "_instances",
    "_weights",
    "_saving",
    "_shape",
    "_batch",
    "_modes",
    "_random",
    "_gradients",
    "_dtype",
    "_mask",
    "_sequence",
    "_portable",
    "_initializers",
)


def open_rooms() -> None:
    """Imports every room."""
    for room in ROOMS:
        importlib.import_module(f"lamina.contracts.probes.{room}")


def contract(id: str, **marks: Any) -> Callable[[Callable], Callable]:
    """Registers a function as the contract `id`."""

    def register(ask):
        if id in CONTRACTS:
            raise ValueError(f"two contracts are called {id!r}")
        CONTRACTS[id] = Contract(id, ask, **marks)
        return ask

    return register


def broken(message: str, means: str = "", repair: str = "", trait: str | None = None, **example):
    """A break: what happened, what it means, how to mend it, and the counter-example."""
    return Result("", "broken", message, means, repair, example, trait)


def skipped(why: str) -> Result:
    """The question cannot be asked here."""
    return Result("", "skipped", why)


def advice(message: str, means: str = "", repair: str = "", trait: str | None = None, **example):
    """Worth a look; never a failure."""
    return Result("", "advice", message, means, repair, example, trait)


# Colours, and TensorFlow's names for its own nodes.
NOISE = re.compile(r"\x1b\[\d+m|\{\{function_node [^}]*\}\} ?")


class LayerFailed(Exception):
    """The layer's own code raised where a right layer works."""

    def __init__(self, doing: str, cause: BaseException):
        self.doing, self.cause = doing, cause
        super().__init__(f"{doing}: {describe(cause)}")


def describe(error: BaseException) -> str:
    """An exception in one line: its type, and the first lines that say something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("File ", "in user code", "Arguments"))]
    text = NOISE.sub("", " ".join(told[:3]))[:300].strip() or "(no message)"
    return f"{type(error).__name__}: {text}"


# The nearer to the front, the more likely a root cause.
ORDER = (
    "ctor.independent",
    "initializer.honoured",
    "shape.batch_axis",
    "shape.any_batch",
    "input.unchanged",
    "batch.independent",
    "weights.tracked",
    "state.no_python_mutation",
    "random.no_global_rng",
    "random.fresh",
    "infer.pure",
    "infer.deterministic",
    "forward.finite",
    "config.roundtrip",
    "config.complete",
    "config.base",
    "config.pure",
    "build.complete",
    "cell.state_spec",
    "shape.spec_matches_call",
    "shape.none_axes",
    "shape.none_batch",
    "grad.exists",
    "grad.finite",
    "grad.numeric",
)


def rank(contract: str) -> tuple[int, int]:
    """Where a contract stands among possible root causes."""
    place = ORDER.index(contract) if contract in ORDER else len(ORDER)
    return place, list(CONTRACTS).index(contract)
