"""The quick suite leaves nothing unguarded: what `make test` must hold at least once.

The tests are named by their functions: one that is renamed or moved to a slower tier fails here.
"""

import inspect
import pathlib
import re
import sys

import pytest

import lamina
import lamina_detect
from lamina.contracts import CONTRACTS
from tests.conftest import COLLECTED
from tests.contracts.bugs import BUGS
from tests.registry import ROWS
from tests.test_docstrings import DOCUMENTS, examples, modules
from tests.test_exports import FORMATS
from tests.test_golden import GOLDEN_FILES

TESTS = pathlib.Path(__file__).parent


def is_quick(item):
    return not ({"slow", "long"} & set(item.keywords))


@pytest.fixture
def quick(request):
    """Every quick test, as collected before any was chosen; a part of the suite proves nothing."""
    items = request.config.stash[COLLECTED]
    if {item.path for item in items} != set(TESTS.rglob("test_*.py")):
        pytest.skip("only a part of the suite was collected")
    return [item for item in items if is_quick(item)]


def values_of(items, function, parameter):
    """What a test's parameter takes in `items`."""
    return [i.callspec.params[parameter] for i in items if i.originalname == function]


@pytest.mark.parametrize(
    "function",
    [
        "test_layer_is_registered_under_lamina",
        "test_equals_its_oracle",
        "test_a_program_in_float64_can_use_it",
        "test_saved_model_needs_no_custom_objects",
        "test_changing_lengths_are_traced_at_most_twice",
    ],
)
def test_every_row_of_the_registry_is_guarded(quick, function):
    guarded = {row.name for row in values_of(quick, function, "row")}
    assert not {row.name for row in ROWS} - guarded


def test_every_layer_keeps_the_contracts(quick):
    checked = {row.layer for row in values_of(quick, "test_keeps_the_fast_contracts", "row")}
    assert not {row.layer for row in ROWS} - checked


def test_every_golden_file_is_loaded(quick):
    loaded = values_of(quick, "test_golden_model_still_gives_its_values", "path")
    assert set(loaded) == set(GOLDEN_FILES)


def test_every_format_is_exported_to(quick):
    exported = set(values_of(quick, "test_exported_model_gives_the_same_values", "name"))
    assert exported == set(FORMATS)


def test_every_contract_finds_a_bug(quick):
    found = set(values_of(quick, "test_is_advice_and_not_a_failure", "contract"))
    for name in values_of(quick, "test_finds_the_bug", "name"):
        found |= set(BUGS[name][4])
    named = {"export.savedmodel": "test_what_cannot_be_served_breaks_the_export",
             "initializer.honoured": "test_initializers"}  # fmt: skip
    functions = {item.originalname for item in quick}
    found |= {contract for contract, function in named.items() if function in functions}
    assert not set(CONTRACTS) - found


def test_every_reader_is_fed_sound_and_damaged_files(quick):
    readers = [n for n in vars(sys.modules[lamina_detect.read.__module__]) if n.startswith("read_")]
    assert readers
    for file in ("test_readers.py", "test_fuzz.py"):
        ids = " ".join(item.name for item in quick if item.path.name == file)
        assert not [r for r in readers if r.removeprefix("read_") not in ids], file


def public_names():
    """Every public name but those of what is returned, which nobody need name to use it:
    `fit_least_squares`' and `check`'s in lamina, all classes but two in lamina_detect.
    """
    functions = {n for n in lamina_detect.__all__ if inspect.isfunction(getattr(lamina_detect, n))}
    return set(lamina.__all__) - {"LeastSquaresFit", "Report"} | functions | {"Detector", "Watch"}


def test_every_public_name_is_used(quick):
    paths = {item.path for item in quick} | set(TESTS.glob("registry/*.py"))
    text = "".join(path.read_text() for path in paths)
    for module in modules():
        text += "".join(test.docstring for test in examples(module))
    assert not public_names() - set(re.findall(r"\w+", text))


def test_every_documented_example_runs(quick):
    assert set(values_of(quick, "test_document_runs_as_written", "path")) == set(DOCUMENTS)
    assert set(values_of(quick, "test_docstring_examples", "name")) == set(modules())
