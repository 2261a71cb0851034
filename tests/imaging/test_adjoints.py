"""Every layer that measures has its exact adjoint, to the dtype, and right gradients."""

import keras
import numpy as np
import pytest
from keras import ops

import lamina
from tests.imaging.support import directional, dot_test, inner, norm, numpy64, tensors

ANGLES = np.linspace(0, np.pi, 9, endpoint=False)
POINTS = np.random.default_rng(3).uniform(-0.5, 0.5, (11, 2))
MASK = (np.arange(6) % 3 == 0) * np.ones((5, 1))


def draw(rng, *shape):
    return rng.standard_normal(shape)


# Name: layer of a dtype, image, further inputs.
OPERATORS = {
    "fourier": (lambda d: lamina.Fourier2D(dtype=d), (2, 5, 6, 2), ()),
    "inverse fourier": (lambda d: lamina.Fourier2D(True, dtype=d), (2, 5, 6, 2), ()),
    "undersample": (lambda d: lamina.Undersample(acceleration=2, dtype=d), (2, 5, 6, 2), ()),
    "coils": (lambda d: lamina.CoilSense(MASK, dtype=d), (2, 5, 6, 2), ((2, 3, 5, 6, 2),)),
    "nufft": (lambda d: lamina.NUFFT(POINTS, 10, dtype=d), (2, 5, 6, 2), ()),
    "radon": (lambda d: lamina.Radon(ANGLES, 13, dtype=d), (2, 8, 8, 1), ()),
    "few wide bins": (lambda d: lamina.Radon([0.3], 2, "pixel", dtype=d), (2, 9, 9, 2), ()),
    "wavelet": (lambda d: lamina.Wavelet("bior3.5", 2, dtype=d), (2, 8, 12, 2), ()),
    "signal wavelet": (lambda d: lamina.Wavelet("db4", 1, dtype=d), (2, 6, 2), ()),
    "resample": (lambda d: lamina.Resample(dtype=d), (2, 6, 5, 2), ((2, 4, 3, 2),)),
    "nearest": (lambda d: lamina.Resample(0, "nearest", dtype=d), (2, 6, 5, 2), ((2, 4, 3, 2),)),
}
BY_NAME = pytest.mark.parametrize("name", OPERATORS)
BOUND = {"float32": 1e-7, "float64": 1e-14}


def of(name, dtype, rng):
    make, image, others = OPERATORS[name]
    scale = 3 if "coords" in name or name in ("resample", "nearest") else 1
    return make(dtype), draw(rng, *image), [scale * draw(rng, *shape) for shape in others]


@pytest.mark.parametrize("dtype", BOUND)
@BY_NAME
def test_inner_products_agree(name, dtype, rng):
    layer, image, others = of(name, dtype, rng)
    assert dot_test(layer, image, others, dtype, rng) < BOUND[dtype]


@BY_NAME
def test_the_gradient_of_a_norm_goes_through_the_adjoint(name, rng):
    """d |A x|^2 = 2 A^H A x, and the second derivative is its own."""
    layer, image, others = of(name, "float64", rng)
    image, *others = tensors([image, *others], "float64")

    def measured(x):
        return layer([x, *others] if others else x)

    def energy(x):
        return sum(ops.sum(ops.square(part)) for part in keras.tree.flatten(measured(x)))

    y = measured(image)
    expected = 2 * numpy64(layer.adjoint([y, *others] if others else y))
    from lamina._common import gradient

    found, _ = gradient(lambda x: (energy(x), None), image)
    assert np.abs(numpy64(found) - expected).max() < 1e-12 * np.abs(expected).max()

    def slope(x):  # |2 A^H A x|^2: what unrolled gradient descent differentiates
        inside, _ = gradient(lambda z: (energy(z), None), x[0])
        return ops.sum(ops.square(inside))

    ours, differences = directional(slope, [image], 0, rng)
    assert abs(ours - differences) < 1e-6 * abs(differences)


def test_the_adjoint_of_the_adjoint_is_the_layer(rng):
    layer = lamina.Fourier2D()
    layer.build((None, 4, 4, 2))
    assert layer.adjoint.adjoint is layer
    assert layer.adjoint is layer.adjoint


def test_the_adjoint_of_an_unbuilt_layer_names_the_repair():
    with pytest.raises(ValueError, match="once the layer is built"):
        lamina.Fourier2D().adjoint  # noqa: B018


def test_an_adjoint_alone_in_a_model_is_saved_with_its_tables(tmp_path, rng):
    layer = lamina.CoilSense(MASK)
    layer.build([(None, 5, 6, 2), (None, 3, 5, 6, 2)])
    measured, coils = keras.Input((3, 5, 6, 2)), keras.Input((3, 5, 6, 2))
    model = keras.Model([measured, coils], layer.adjoint([measured, coils]))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = [draw(rng, 2, 3, 5, 6, 2).astype("float32") for _ in range(2)]
    assert np.array_equal(numpy64(model(x)), numpy64(again(x)))


def test_a_model_with_a_layer_and_its_adjoint_is_saved(tmp_path, rng):
    layer = lamina.CoilSense(MASK)
    image, coils = keras.Input((5, 6, 2)), keras.Input((3, 5, 6, 2))
    measured = layer([image, coils])
    model = keras.Model([image, coils], layer.adjoint([measured, coils]))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = [draw(rng, 2, 5, 6, 2).astype("float32"), draw(rng, 2, 3, 5, 6, 2).astype("float32")]
    assert np.array_equal(numpy64(model(x)), numpy64(again(x)))


def test_a_mask_that_was_never_loaded_is_an_error(rng):
    layer = lamina.CoilSense.from_config(lamina.CoilSense(MASK).get_config())
    inputs = tensors([draw(rng, 1, 5, 6, 2), draw(rng, 1, 3, 5, 6, 2)], "float32")
    with pytest.raises(ValueError, match="never loaded"):
        layer(inputs)


@pytest.mark.parametrize("kind", ["equispaced", "random", "gaussian"])
@pytest.mark.parametrize("width, acceleration, centre", [(128, 4, 0.08), (101, 3.5, 7), (16, 1, 0)])
def test_masks_have_exactly_the_stated_number_of_lines(kind, width, acceleration, centre):
    layer = lamina.Undersample(kind, acceleration, centre, seed=5)
    mask = layer.mask(width)
    assert mask.sum() == round(width / acceleration)
    lines = layer.centre_lines(width)
    first = (width - lines + 1) // 2
    assert mask[first : first + lines].all()
    assert np.array_equal(mask, layer.mask(width))
    if width > 100:
        assert not np.array_equal(mask, layer.mask(width, seed=6))


def test_equispaced_lines_are_nearly_equally_far_apart():
    gaps = np.diff(np.flatnonzero(lamina.Undersample("equispaced", 4, 0).mask(200)))
    assert set(gaps) == {4}


def test_hard_consistency_keeps_what_was_measured(rng):
    layer = lamina.Undersample(acceleration=2, centre=2)
    k, measured = draw(rng, 1, 4, 8, 2).astype("float32"), draw(rng, 1, 4, 8, 2).astype("float32")
    layer.build(k.shape)
    lines = layer.mask(8) > 0
    hard = numpy64(layer.consistent(*tensors([k, measured], "float32")))
    np.testing.assert_allclose(hard[:, :, lines], measured[:, :, lines], atol=1e-6)
    assert np.array_equal(hard[:, :, ~lines], k[:, :, ~lines])
    soft = numpy64(layer.consistent(*tensors([k, measured], "float32"), weight=1.0))
    np.testing.assert_allclose(
        soft[:, :, lines], ((k + measured) / 2)[:, :, lines].astype("float64"), atol=1e-6
    )


def test_a_wavelet_and_its_inverse_give_the_image_back(rng):
    x = tensors(draw(rng, 2, 16, 8, 1), "float64")
    for wavelet in ("haar", "db4", "bior2.2", "coif3"):
        there = lamina.Wavelet(wavelet, 2, dtype="float64")(x)
        back = lamina.Wavelet(wavelet, 2, inverse=True, dtype="float64")(there)
        assert norm(back - x) < 1e-12 * norm(x)


def test_inner_products_of_another_layer_do_not_agree(rng):
    """The test itself can fail: an adjoint without the conjugate."""
    layer = lamina.CoilSense(MASK, dtype="float64")
    image, coils = tensors([draw(rng, 1, 5, 6, 2), draw(rng, 1, 3, 5, 6, 2)], "float64")
    y = layer([image, coils])
    wrong = coils * ops.convert_to_tensor([1.0, -1.0], "float64")
    assert abs(inner(y, y) - inner(image, layer.adjoint([y, wrong]))) > 1e-3 * norm(y) ** 2
