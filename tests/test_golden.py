"""Models of earlier versions still load and give the same values."""

import keras
import numpy as np
import pytest

from tests.registry import ROWS
from tests.registry.__main__ import API, GOLDEN, TABLE, api, file_of, table
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


def test_every_public_name_has_its_place_on_the_api_page():
    assert API.read_text() == api(), "run `python -m tests.registry`"
