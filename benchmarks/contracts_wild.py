"""The contracts on layers that none of us wrote: Keras', keras-hub's and keras-rs'.

    python -m benchmarks.contracts_wild [keras] [keras_hub] [keras_rs] [--kept FILE]

By library: how many are clean, how many break something, each break with what a person made of it,
and CPU seconds. A line a layer is added to FILE, and a layer that has one there is not run again.
`tests/contracts/test_wild.py` fails where a break was never read, or was read as a false alarm.
"""

import importlib
import json
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import lamina
from benchmarks._bench import Bench, Row, Spread, parser_of, run
from benchmarks._wild_layers import LAYERS, READ


def rows(library: str) -> Iterator[tuple[str, Any, dict[str, Any] | None, Any, dict[str, Any]]]:
    """(name, target, arguments, inputs, traits) of each layer of a library that is installed."""
    if library == "keras":
        from tests.contracts.keras_layers import LAYERS as builtin

        yield from ((name, make, None, x, traits) for name, (make, x, traits) in builtin.items())
        return
    try:
        module = importlib.import_module(library)
    except ImportError:
        return
    for (owner, name), (kwargs, x, traits) in LAYERS.items():
        if owner == library:
            yield name, getattr(module.layers, name), kwargs, x, traits


def known(library: str, name: str) -> dict[str, tuple[str, str]]:
    """The verdicts on a layer that a person has read, by contract."""
    if library == "keras":
        from tests.contracts.keras_layers import DEFECTS

        return {c: ("true", "docs/keras-defects.md") for c in DEFECTS.get(name, ())}
    return {c: verdict for (lib, n, c), verdict in READ.items() if (lib, n) == (library, name)}


def judged(library: str, row: tuple[str, Any, Any, Any, Any]) -> dict[str, Any]:
    """One layer's result: its causes, those that nobody has read or that are false, CPU seconds."""
    name, target, kwargs, x, traits = row
    start = time.process_time()
    try:
        report = lamina.check(target, x, kwargs=kwargs, traits=traits)
        causes = [cause.contract for cause in report.causes]
    except lamina.CheckError as error:
        causes = [f"CheckError: {error}"]
    read = known(library, name)
    wrong = [c for c in causes if read.get(c, ("unread", ""))[0] in ("unread", "false")]
    seconds = time.process_time() - start
    return dict(library=library, layer=name, causes=causes, wrong=wrong, seconds=seconds)


def measured(bench: Bench, library: str) -> None:
    """A row a library, and one a layer that breaks something: what was made of it."""
    kept = read_lines(bench.options.kept)
    found = [f for f in kept if f["library"] == library]
    done = {f["layer"] for f in found}
    todo = [row for row in rows(library) if row[0] not in done]
    for row in todo[:1] if bench.quick else todo:
        found.append(judged(library, row))
        if bench.options.kept:
            with bench.options.kept.open("a") as file:
                file.write(json.dumps(found[-1]) + "\n")
    if not found:
        bench.add(Row(f"{library}: layers", None, note="not installed"))
        return
    broken = [f for f in found if f["causes"]]
    wrong = [f["layer"] for f in found if f["wrong"]]
    note = f"{len(found) - len(broken)} clean, {len(broken)} broken"
    note += f"; not read, or false: {', '.join(wrong)}" if wrong else ""
    seconds = Spread.of([f["seconds"] for f in found])
    bench.add(Row(f"{library}: a layer, of {len(found)}", seconds, note=note))
    for f in broken:
        read = known(library, f["layer"])
        notes = [f"{c}: {': '.join(read.get(c, ('not read', '')))}" for c in f["causes"]]
        bench.add(Row(f"{f['layer']} breaks", Spread.of([f["seconds"]]), note="; ".join(notes)))


def read_lines(path: pathlib.Path | None) -> list[dict[str, Any]]:
    """What an earlier run left."""
    there = path is not None and path.is_file()
    return [json.loads(line) for line in path.read_text().splitlines()] if path and there else []


SECTIONS = {
    "keras": lambda bench: measured(bench, "keras"),
    "keras_hub": lambda bench: measured(bench, "keras_hub"),
    "keras_rs": lambda bench: measured(bench, "keras_rs"),
}


def main() -> None:
    parser = parser_of(__doc__ or "", SECTIONS)
    parser.add_argument(
        "--kept", type=pathlib.Path, metavar="FILE", help="results of an earlier run, to go on from"
    )
    run("contracts_wild", SECTIONS, parser.parse_args())


if __name__ == "__main__":
    main()
