"""What one contract found."""

from dataclasses import dataclass, field
from typing import Any

STATUSES = (
    "passed",
    "broken",
    "expected",
    "unexpected_pass",
    "skipped",
    "error",
    "crashed",
    "advice",
)
FAILING = frozenset({"broken", "error", "crashed", "unexpected_pass"})


@dataclass
class Result:
    """What one contract found.

    Attributes:
        contract: Its id, such as `"batch.independent"`.
        status: One of `STATUSES`.
        message: What happened, in one sentence.
        means: What that means for the layer's user.
        hint: How to repair it.
        example: The smallest counter-example found: shapes, place, both values.
        trait: The trait that would excuse it, where there is one: declare it or fix it.
        declare: The trait's value that does.
        where: The last line of the layer's own code in the traceback of what it raised.
        follows: The broken contracts of which this break is a consequence; None: not looked into.
        sample: The smallest sample that shows it, for `Report.reproduce`.
        provisional: The inputs were guessed.
        seconds: Time taken.
    """

    contract: str
    status: str
    message: str = ""
    means: str = ""
    hint: str = ""
    example: dict[str, Any] = field(default_factory=dict)
    trait: str | None = None
    declare: Any = None
    where: str = ""
    follows: list[str] | None = None
    sample: Any = None
    provisional: bool = False
    seconds: float = 0.0
