"""Models of earlier versions still load and give the same values."""

import keras
import numpy as np
import pytest

from tests.registry import ROWS
from tests.registry.__main__ import DOCS, GOLDEN, TABLE, file_of, table
from tests.registry.reference import pages
from tests.support import all_close, as_list, to_numpy_tree

GOLDEN_FILES = sorted(GOLDEN.parent.glob("*/*.keras"))  # one folder for each version


def test_every_row_has_a_golden_model_of_this_version():
    missing = {file_of(row) for row in ROWS} - {path.stem for path in GOLDEN.iterdir()}
    assert not missing, f"run `python -m tests.registry` for {sorted(missing)}"


@pytest.mark.parametrize("path", GOLDEN_FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_golden_model_still_gives_its_values(path):
    model = keras.saving.load_model(path)
    arrays = np.load(path.with_suffix(".npz"))
    inputs = [arrays[f"input_{i}"] for i in range(len(as_list(model.inputs)))]
    packed = keras.tree.pack_sequence_as(model.input, inputs)
    got = as_list(to_numpy_tree(model(packed)))
    for i, ours in enumerate(got):
        all_close(ours, arrays[f"output_{i}"], 1e-5)


def test_table_of_layers_is_up_to_date():
    assert TABLE.read_text() == table(), "run `python -m tests.registry`"


def test_every_public_name_and_contract_is_documented():
    made = pages()
    late = [path for path, text in made.items() if (DOCS / path).read_text() != text]
    unknown = {p.name for p in (DOCS / "reference").iterdir()} - {p.split("/")[-1] for p in made}
    assert not late and not unknown, "run `python -m tests.registry`"
