"""The transform along a trajectory, beside the direct sum and finufft."""

import finufft
import numpy as np
import pytest

import lamina
from tests.imaging.support import numpy64, tensors


@pytest.fixture
def points(rng):
    return rng.uniform(-0.5, 0.5, (400, 2))


def found(points, x, width, dtype="float64"):
    y = numpy64(lamina.NUFFT(points, width, dtype=dtype)(tensors(x, dtype)))
    return y[..., 0] + 1j * y[..., 1]


@pytest.mark.parametrize("width, bound", [(4, 2e-3), (6, 2e-5), (10, 2e-8), (14, 1e-11)])
def test_the_error_falls_with_the_width(width, bound, points, rng):
    x = rng.standard_normal((1, 24, 15, 2))
    z = (x[..., 0] + 1j * x[..., 1])[0]
    rows, columns = np.ascontiguousarray(2 * np.pi * points.T)
    exact = finufft.nufft2d2(rows, columns, z, eps=1e-14, isign=-1) / np.sqrt(z.size)
    assert np.abs(found(points, x, width)[0] - exact).max() < bound * np.abs(exact).max()


def test_on_the_grid_it_is_the_fourier_transform(rng):
    x = rng.standard_normal((2, 6, 8, 2)).astype("float32")
    grid = np.stack(np.meshgrid(np.arange(-3, 3) / 6, np.arange(-4, 4) / 8, indexing="ij"), -1)
    ours = numpy64(lamina.NUFFT(grid.reshape(-1, 2), 8)(x))
    theirs = numpy64(lamina.Fourier2D()(x)).reshape(ours.shape)
    assert np.abs(ours - theirs).max() < 2e-6 * np.abs(theirs).max()


@pytest.mark.parametrize("points", [[[0.5, 0.0]], [[0.0, -0.6]], [[0.0, float("nan")]]])
def test_a_trajectory_outside_is_refused(points):
    with pytest.raises(ValueError, match=r"must lie in \[-0.5, 0.5\)"):
        lamina.NUFFT(points)
