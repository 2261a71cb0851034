"""The contracts' own words, read from their source: importing lamina would import keras."""

import ast
import importlib.util
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Page:
    """What a contract says of itself.

    Attributes:
        id: Its public name.
        text: Its docstring.
        marks: What is said beside its id: `excused_by`, `needs`, `advice`, `slow`, `target`.
    """

    id: str
    text: str
    marks: dict[str, Any] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The failure, in one sentence."""
        return self.text.partition("\n")[0]

    @property
    def kind(self) -> str:
        """How the contract applies, in words."""
        words = []
        if self.marks.get("advice"):
            words.append("advice")
        if "excused_by" in self.marks:
            words.append(f"excused by `{self.marks['excused_by']}`")
        if "needs" in self.marks:
            words.append(f"needs `{self.marks['needs']}`")
        if self.marks.get("slow"):
            words.append("slow")
        return ", ".join(words) or "universal"


def pages() -> list[Page]:
    """Every contract, file by file."""
    found = importlib.util.find_spec("lamina")
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError("the package lamina is not installed")
    folder = Path(next(iter(found.submodule_search_locations))) / "contracts" / "probes"
    return [page for path in sorted(folder.glob("_[a-z]*.py")) for page in _pages_of(path)]


def _pages_of(path: Path) -> Iterator[Page]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.FunctionDef):
            continue
        for mark in node.decorator_list:
            if isinstance(mark, ast.Call) and getattr(mark.func, "id", "") == "contract":
                words = {str(k.arg): ast.literal_eval(k.value) for k in mark.keywords
                         if k.arg != "rank"}  # fmt: skip
                text = inspect.cleandoc(ast.get_docstring(node) or "")
                yield Page(ast.literal_eval(mark.args[0]), text, words)


def listed() -> str:
    """All contracts, a line each."""
    found = pages()
    width = max(len(p.id) for p in found)
    return "\n".join(f"{p.id:{width}}  {p.summary} ({p.kind})" for p in found)


def explained(id: str) -> str:
    """One contract's page, as text.

    Raises:
        KeyError: if there is no such contract.
    """
    page = next((p for p in pages() if p.id == id), None)
    if page is None:
        raise KeyError(id)
    return f"{page.id} ({page.kind})\n\n{textwrap.dedent(page.text)}"
