"""Ten thousand random buffers through every codec, in compiled code: no crash, no wrong value."""

import numpy as np
import pytest

import lamina
from tests.codec.support import compiled
from tests.registry._row import case
from tests.registry.codec import ROWS
from tests.support import all_close

BUFFERS, COMPARED = 10_000, 200


def buffers(row, rng):
    """Buffers like the row's, every other one of any numbers at all; which ones are outside."""
    like, (low, high) = row.inputs(rng), row.traits["int_range"]
    shape, span = (BUFFERS, *like.shape[1:]), np.iinfo(like.dtype)
    tame = rng.integers(low, high, shape, like.dtype)
    wild = rng.integers(span.min, span.max, shape, like.dtype, endpoint=True)
    axes = tuple(range(1, len(shape)))
    codes = np.where(np.arange(BUFFERS).reshape(-1, *[1] * len(axes)) % 2, wild, tame)
    # Some stages have two rows more than others.
    return codes, ((codes < low) | (codes >= high + 2)).any(axes)


def policy_of(layer):
    decoder = layer.decoder if isinstance(layer, lamina.CodebookDense) else layer
    return getattr(decoder, "out_of_range", None)


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_ten_thousand_random_buffers(row, rng):
    layer, inputs = case(row)
    layer(inputs)
    codes, outside = buffers(row, rng)
    y = compiled(layer, codes)
    assert len(y) == BUFFERS
    known = np.arange(0, 2 * COMPARED, 2)
    all_close(y[known], row.oracle(layer, codes[known]), row.tolerance)
    if policy_of(layer) is None:
        return
    inside = np.arange(0, BUFFERS, 2)
    assert np.isfinite(y[inside]).all()
    assert all(np.isnan(one).any() for one in y[outside])
    if policy_of(layer) == "raise" and outside.any():
        with pytest.raises(ValueError, match=r"out of range|outside"):
            layer(codes)
