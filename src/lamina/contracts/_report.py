"""Everything that a check found about one layer, grouped by cause, as data and as text."""

from dataclasses import asdict, dataclass, field
from typing import Any

from lamina._common import received
from lamina.contracts._reproduce import script
from lamina.contracts._result import FAILING, Result
from lamina.contracts.harness import Case
from lamina.contracts.probes import CONTRACTS


@dataclass
class Cause:
    """A broken contract and those that broke because of it."""

    root: Result
    consequences: list[Result]

    @property
    def contract(self) -> str:
        """The root's contract id."""
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
        case: What was checked; for `reproduce`.
    """

    target: str
    backend: str
    inputs: str
    provisional: bool
    results: list[Result]
    case: Case | None = field(default=None, repr=False, compare=False)

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
        broken = {r.contract: r for r in self.results if r.status == "broken"}

        def root_of(contract: str) -> str:
            follows = broken[contract].follows
            above = CONTRACTS[contract].follows if follows is None else follows
            above = [c for c in above if c in broken]
            return root_of(min(above, key=_rank)) if above else contract

        groups: dict[str, list[Result]] = {}
        for contract in sorted(broken, key=_rank):
            groups.setdefault(root_of(contract), []).append(broken[contract])
        return [
            Cause(broken[root], [r for r in groups[root] if r.contract != root])
            for root in sorted(groups, key=_rank)
        ]

    def reproduce(self, contract: str | None = None) -> str:
        """A stand-alone script, without lamina, that fails as the layer does.

        It holds the values of the smallest sample that was found.

        Args:
            contract: The id of a broken contract; None: the most important one.

        Raises:
            ValueError: if that one is not broken, or no script can show it.
        """
        found = [r for r in self.results if r.status == "broken" and r.contract == contract]
        found = found if contract else [c.root for c in self.causes]
        if not found or self.case is None:
            raise ValueError(
                f"`contract` must be broken: {', '.join(self.broken) or 'nothing is'}. "
                f"{received('contract', contract)}"
            )
        return script(self.case, self.backend, found[0])

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
            "results": [{**asdict(r), "sample": None} for r in self.results],
        }

    def __str__(self) -> str:
        """The causes first, the most important one on top, each with its example and repair.

        Then what is in error, advice and what is expected; what passed is counted in the last line.
        """
        guessed = " (guessed: give `inputs` to be sure)" if self.provisional else ""
        lines = [f"{self.target} on {self.backend}, inputs {self.inputs}{guessed}"]
        for number, cause in enumerate(self.causes, 1):
            lines += _paragraph(number, cause)
        for result in self.results:
            if result.status in (FAILING - {"broken"}) | {"advice", "expected"}:
                lines.append(f"{result.status}: {result.contract}: {result.message}")
        return "\n".join([*lines, self._summary()])

    __repr__ = __str__

    def _summary(self) -> str:
        """How many of each status, in one line."""
        counts: dict[str, int] = {}
        for result in self.results:
            counts[result.status] = counts.get(result.status, 0) + 1
        listed = ", ".join(f"{n} {status}" for status, n in counts.items())
        return f"{'ok' if self.ok else 'NOT ok'}: {listed}"


def _rank(contract: str) -> tuple[int, int]:
    """Where a contract stands among possible root causes."""
    return CONTRACTS[contract].rank, list(CONTRACTS).index(contract)


def _paragraph(number: int, cause: Cause) -> list[str]:
    root = cause.root
    lines = [f"{number}. {root.contract}: {root.message}"]
    if root.means:
        lines.append(f"   it means: {root.means}")
    if root.hint:
        lines.append(f"   repair: {root.hint}")
    if root.where:
        lines.append(f"   at: {root.where}")
    if root.example:
        shown = ", ".join(f"{k}={v}" for k, v in root.example.items())
        lines.append(f"   example: {shown}")
    if cause.consequences:
        also = ", ".join(r.contract for r in cause.consequences)
        lines.append(f"   also broken through it: {also}")
    return lines
