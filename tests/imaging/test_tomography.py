"""The Radon transform and its inverse against what is known in closed form."""

import numpy as np
import pytest

import lamina
from tests.imaging.support import numpy64

ANGLES = np.linspace(0, np.pi, 60, endpoint=False)


def ellipse(size, centre, axes, turn, fine=8):
    """An ellipse of density 1 on a grid, each pixel by its share (fine x fine points)."""
    steps = (np.arange(size * fine) + 0.5) / fine - size / 2
    x, y = np.meshgrid(steps, -steps)  # y upwards
    u = (x - centre[0]) * np.cos(turn) + (y - centre[1]) * np.sin(turn)
    v = -(x - centre[0]) * np.sin(turn) + (y - centre[1]) * np.cos(turn)
    inside = (u / axes[0]) ** 2 + (v / axes[1]) ** 2 <= 1
    return inside.reshape(size, fine, size, fine).mean((1, 3))


def line_integrals(bins, centre, axes, turn):
    """Kak and Slaney, equation 3.4."""
    distance = np.arange(bins) - (bins - 1) / 2
    found = np.zeros((len(ANGLES), bins))
    for i, angle in enumerate(ANGLES):
        t = distance - centre[0] * np.cos(angle) - centre[1] * np.sin(angle)
        r2 = (axes[0] * np.cos(angle - turn)) ** 2 + (axes[1] * np.sin(angle - turn)) ** 2
        found[i] = 2 * axes[0] * axes[1] * np.sqrt(np.maximum(r2 - t**2, 0)) / r2
    return found


def error(size):
    shape = dict(centre=(0.1 * size, -0.15 * size), axes=(0.3 * size, 0.18 * size), turn=0.6)
    bins = int(1.5 * size)
    image = ellipse(size, **shape)[None, ..., None].astype("float32")
    ours = numpy64(lamina.Radon(ANGLES, bins)(image))[0, ..., 0]
    exact = line_integrals(bins, **shape)
    return np.sqrt(np.mean((ours - exact) ** 2)) / exact.max()


def test_an_ellipse_off_the_centre_projects_as_its_closed_form():
    assert error(64) < 0.01
    assert error(128) < error(32) / 2  # and it converges with the grid


def test_views_with_all_rays_along_a_row_sum_it(rng):
    x = rng.standard_normal((2, 7, 7, 3)).astype("float32")
    y = numpy64(lamina.Radon([0.0, np.pi / 2], bins=7)(x))
    np.testing.assert_allclose(y[:, 0], x.sum(1), atol=1e-5)
    np.testing.assert_allclose(y[:, 1], x.sum(2)[:, ::-1], atol=1e-5)  # y counts upwards


def test_backprojection_gives_a_smooth_image_back():
    image = ellipse(64, (4, -6), (20, 12), 0.6)
    image = np.pad(image, 16)  # a detector that sees all of it
    angles = np.linspace(0, np.pi, 180, endpoint=False)
    y = lamina.Radon(angles, bins=137)(image[None, ..., None].astype("float32"))
    back = numpy64(lamina.FilteredBackprojection(angles, size=96)(y))[0, ..., 0]
    inside = ellipse(64, (4, -6), (16, 8), 0.6) == 1
    assert np.abs(back[16:-16, 16:-16][inside] - 1).max() < 0.05


@pytest.mark.parametrize("angles", [[], [np.nan], [[0.0]], 0.3, [np.inf, 0.0]])
def test_angles_that_are_not_finite_are_refused(angles):
    with pytest.raises(ValueError, match="`angles` must be a list of finite angles"):
        lamina.Radon(angles, bins=5)


def test_images_that_are_not_square_are_refused():
    with pytest.raises(ValueError, match="square"):
        lamina.Radon([0.0], bins=5)(np.ones((1, 4, 5, 1)))


def test_a_sinogram_with_another_number_of_views_is_refused():
    with pytest.raises(ValueError, match="2 views, one for each angle"):
        lamina.FilteredBackprojection([0.0, 1.0], size=4)(np.ones((1, 3, 5, 1)))


@pytest.mark.parametrize("size", [10, 13])
def test_sizes_that_a_wavelet_cannot_halve_are_refused(size):
    with pytest.raises(ValueError, match="that 4 divides"):
        lamina.Wavelet("haar", levels=2)(np.ones((1, size, 8, 1)))


def test_an_unknown_wavelet_is_refused():
    with pytest.raises(ValueError, match="discrete wavelet of PyWavelets"):
        lamina.Wavelet("mexh")


def test_coil_maps_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"`image` .* to match its other inputs"):
        lamina.CoilSense()([np.ones((1, 4, 4, 2)), np.ones((1, 3, 5, 4, 2))])


def test_two_masks_are_refused():
    layer = lamina.CoilSense(np.ones((4, 4)))
    with pytest.raises(ValueError, match="mask of its own"):
        layer([np.ones((1, 4, 4, 2)), np.ones((1, 3, 4, 4, 2)), np.ones((1, 4, 4))])


def test_images_without_a_last_axis_of_two_are_refused():
    with pytest.raises(ValueError, match="real and the imaginary part"):
        lamina.Fourier2D()(np.ones((1, 4, 4, 1)))
