"""Layers of other libraries: no break that nobody has read, and none that was read as false."""

import importlib.metadata

import pytest

from benchmarks._wild_layers import LAYERS, PINNED
from benchmarks.contracts_wild import judged, rows

pytestmark = pytest.mark.tensorflow
# One of each kind: attention, a constructor that changes a list, an input without effect.
SUBSET = {"TransformerEncoder", "BoxMatcher", "RemoveAccidentalHits"}


def installed(library):
    """Is it here, at the version at which its verdicts were read?"""
    try:
        return importlib.metadata.version(library.replace("_", "-")) == PINNED[library]
    except importlib.metadata.PackageNotFoundError:
        return False


@pytest.mark.parametrize(
    ("library", "name"),
    [
        pytest.param(*key, marks=pytest.mark.slow if key[1] in SUBSET else pytest.mark.long)
        for key in LAYERS
    ],
)
def test_every_break_was_read_and_found_true(library, name):
    if not installed(library):
        pytest.skip(f"{library} {PINNED[library]} is not installed")
    row = next(row for row in rows(library) if row[0] == name)
    found = judged(library, row)
    assert not found["wrong"], found
