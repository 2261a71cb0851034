"""`python -m tests.registry`: writes what is derived from the rows.

tests/golden/<version>/<row>     .keras, .npz: models of this version, with inputs and outputs: a
                                 later one must load them. Only the missing ones are written.
docs/layers.md                   the table of layers
docs/reference, contracts.md     see tests/registry/reference.py
"""

import pathlib
import re

import keras
import numpy as np

import lamina
from tests.registry import ROWS, case
from tests.registry.reference import pages
from tests.support import as_list, functional_model, to_numpy_tree

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / lamina.__version__.rpartition(".")[0]  # 0.1.3: in 0.1
TABLE = ROOT / "docs" / "layers.md"
DOCS = ROOT / "docs"


def file_of(row):
    """`VectorQuantizer[gradient, kmeans]` -> `VectorQuantizer-gradient-kmeans`."""
    return re.sub(r"\W+", "-", row.name).strip("-")


def write_golden(row):
    target = GOLDEN / f"{file_of(row)}.keras"
    if target.exists():
        return
    keras.utils.set_random_seed(0)
    layer, inputs = case(row)
    model = functional_model(layer, inputs)
    outputs = as_list(to_numpy_tree(model(inputs)))
    model.save(target)
    arrays = {f"input_{i}": x for i, x in enumerate(as_list(inputs))}
    arrays |= {f"output_{i}": y for i, y in enumerate(outputs)}
    np.savez_compressed(target.with_suffix(".npz"), **arrays)
    print(f"wrote {target.relative_to(ROOT)}")


def table():
    """The layers, family by family, from the rows and the first line of each docstring."""
    lines = [
        "# The layers",
        "",
        "Made by `python -m tests.registry` from the registry; a test keeps it up to date.",
    ]
    seen, family = set(), None
    for row in ROWS:
        if row.layer in seen:
            continue
        seen.add(row.layer)
        layer = row.make()
        folder = type(layer).__module__.split(".")[1]
        if folder != family:
            family = folder
            lines += ["", f"## {family}", "", "| layer | what it does | traits | exports |"]
            lines += ["|---|---|---|---|"]
        summary = type(layer).__doc__.strip().splitlines()[0].replace("|", "\\|")
        traits = ", ".join(f"{key}={value}" for key, value in sorted(row.traits.items()))
        lines.append(
            f"| `{row.layer}` | {summary} | {traits or '-'} | {', '.join(sorted(row.exports))} |"
        )
    return "\n".join(lines) + "\n"


def main():
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for row in ROWS:
        write_golden(row)
    TABLE.write_text(table())
    for path, text in pages().items():
        (DOCS / path).parent.mkdir(exist_ok=True)
        (DOCS / path).write_text(text)


if __name__ == "__main__":
    main()
