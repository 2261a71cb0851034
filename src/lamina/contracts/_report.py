"""What a check found: results, grouped by cause."""

from dataclasses import asdict, dataclass, field
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
    """What one contract said.

    Attributes:
        contract: Its id, such as `"batch.independent"`.
        status: One of `STATUSES`.
        message: What happened, in one sentence.
        means: What that means for the layer's user.
        hint: How to repair it.
        example: The smallest counter-example found: shapes, place, both values.
        trait: The trait that would excuse it, where there is one: declare it or fix it.
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
    provisional: bool = False
    seconds: float = 0.0


@dataclass
class Cause:
    """A broken contract and those that broke because of it."""

    root: Result
    consequences: list[Result]

    @property
    def contract(self) -> str:
        return self.root.contract


@dataclass
class Report:
    """Everything that a check found about one layer.

    Attributes:
        target: The layer's name.
        backend: The Keras backend that it ran on.
        inputs: The inputs' shapes and dtypes, in words.
        provisional: The inputs were guessed.
        results: One `Result` a contract.
    """

    target: str
    backend: str
    inputs: str
    provisional: bool
    results: list[Result]

    def __getitem__(self, contract: str) -> Result:
        return next(r for r in self.results if r.contract == contract)

    @property
    def broken(self) -> list[str]:
        """Every broken contract id, consequences too."""
        return [r.contract for r in self.results if r.status == "broken"]

    @property
    def ok(self) -> bool:
        """Nothing broken, in error, crashed or unexpectedly passing."""
        return not any(r.status in FAILING for r in self.results)

    @property
    def causes(self) -> list[Cause]:
        """The broken contracts, root causes first, each with its consequences."""
        from lamina.contracts._contract import CONTRACTS, rank

        broken = {r.contract: r for r in self.results if r.status == "broken"}

        def root_of(contract):
            above = [c for c in CONTRACTS[contract].follows if c in broken]
            return root_of(min(above, key=rank)) if above else contract

        groups: dict[str, list[Result]] = {}
        for contract in sorted(broken, key=rank):
            groups.setdefault(root_of(contract), []).append(broken[contract])
        return [
            Cause(broken[root], [r for r in members if r.contract != root])
            for root, members in sorted(groups.items(), key=lambda pair: rank(pair[0]))
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "target": self.target,
            "backend": self.backend,
            "inputs": self.inputs,
            "provisional": self.provisional,
            "ok": self.ok,
            "broken": self.broken,
            "causes": [
                {"root": c.contract, "consequences": [r.contract for r in c.consequences]}
                for c in self.causes
            ],
            "results": [asdict(r) for r in self.results],
        }

    def __str__(self) -> str:
        from lamina.contracts._text import report_text

        return report_text(self)

    __repr__ = __str__
