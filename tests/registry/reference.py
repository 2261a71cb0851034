"""The pages of the documentation site that are derived from the code.

docs/reference/<package>.md      an entry for each public name, by the path that users import
docs/contracts.md                every contract, what a break of it is, and which trait bears on it
"""

import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Iterator
from types import ModuleType

import lamina
from lamina.contracts import CONTRACTS, Contract

APPLICATIONS = ("lamina_detect", "lamina_edge", "lamina_pytest")
MADE = "<!-- Made by `python -m tests.registry`; a test keeps it up to date. -->"


def pages() -> dict[str, str]:
    """The text of each page, by its path below docs/."""
    made = {
        f"reference/{package.__name__.removeprefix('lamina.')}.md": reference(package)
        for package in packages()
    }
    return {**made, "contracts.md": contracts()}


def packages() -> Iterator[ModuleType]:
    """The public packages: lamina's families, then the applications."""
    for found in pkgutil.iter_modules(lamina.__path__, "lamina."):
        if found.ispkg and not found.name.rpartition(".")[2].startswith("_"):
            yield importlib.import_module(found.name)
    for name in APPLICATIONS:
        yield importlib.import_module(name)


def reference(package: ModuleType) -> str:
    """One mkdocstrings entry for each class and function; aliases by a line."""
    lines = [MADE, "", f"# {package.__name__}", "", package.__doc__.strip().splitlines()[0]]
    for name in sorted(package.__all__):
        value, path = getattr(package, name), path_of(package, name)
        original = getattr(value, "__name__", None)
        if original is None:  # data, such as the dictionary of contracts
            continue
        if original == name:
            lines += ["", f"::: {path}"]
        else:
            same = path_of(package, original)
            lines += ["", f"## `{path}`", "", f"The same class as [`{same}`][{same}]."]
    return "\n".join(lines) + "\n"


def path_of(package: ModuleType, name: str) -> str:
    """The shortest path by which a public name is imported."""
    return f"lamina.{name}" if name in lamina.__all__ else f"{package.__name__}.{name}"


TARGETS = {"layer": "Layers", "cell": "Cells of an RNN", "initializer": "Initializers"}


def contracts() -> str:
    """The table of contracts, by what they apply to, in the order of a report."""
    lines = [
        MADE,
        "",
        "# The contracts",
        "",
        "What [`lamina.check`](check-your-layer.md) holds a layer to. A *universal* contract holds",
        "for every layer; the others name the [trait](traits.md) that switches them on or excuses",
        "a break.",
    ]
    for target, title in TARGETS.items():
        lines += ["", f"## {title}", "", "| contract | broken where | |", "|---|---|---|"]
        lines += [row(c) for c in CONTRACTS.values() if c.target == target]
    for contract in CONTRACTS.values():
        lines += ["", f"## `{contract.id}`", "", *page(contract)]
    return "\n".join(lines) + "\n"


def page(contract: Contract) -> list[str]:
    """A contract's own words: what it promises, a layer that breaks it, the repair, the trait."""
    lines = []
    for part in inspect.getdoc(contract.ask).split("\n\n"):
        if part.startswith("    "):
            lines += ["```{.python .no-run}", *textwrap.dedent(part).splitlines(), "```", ""]
        else:
            lines += [part.replace("\nTrait:", "\n\nTrait:"), ""]
    return lines[:-1]


def row(contract: Contract) -> str:
    """A contract's line of the table: the first paragraph of its docstring, and its marks."""
    first = contract.ask.__doc__.strip().split("\n\n")[0]
    promise = " ".join(first.split()).replace("|", "\\|")
    marks = [
        "universal" if contract.universal else "",
        f"needs `{contract.needs}`" if contract.needs else "",
        f"excused by `{contract.excused_by}`" if contract.excused_by else "",
        "advice" if contract.advice else "",
        "slow" if contract.slow else "",
    ]
    return f"| `{contract.id}` | {promise} | {', '.join(filter(None, marks))} |"
