"""Every public layer of lamina keeps the contracts, through its row."""

import pytest

from lamina import check
from tests.registry import ROWS, case

BY_NAME = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def held(row, contracts):
    _, inputs = case(row)
    return check(row.make, inputs, traits=row.traits, contracts=contracts)


# One row of each layer in the quick suite; its variants in `make test-all`.
BY_LAYER = pytest.mark.parametrize(
    "row",
    [r if r.name == r.layer else pytest.param(r, marks=pytest.mark.slow) for r in ROWS],
    ids=lambda row: row.name,
)


@BY_LAYER
def test_keeps_the_fast_contracts(row):
    report = held(row, "fast")
    assert report.ok, str(report)


@pytest.mark.slow
@BY_NAME
def test_keeps_every_contract(row):
    report = held(row, None)
    assert report.ok, str(report)
