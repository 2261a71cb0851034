"""Losses on features against NumPy versions written from the papers."""

import keras
import numpy as np
import pytest
from keras import ops

from lamina import FeatureMatchingLoss, GramLoss, PerceptualLoss, Tapped, input_gradient


def number(x):
    return float(ops.convert_to_numpy(x))


def maps(rng, counts):
    """Feature maps of several discriminators."""
    return [
        [rng.standard_normal((2, 3 + i, 4)).astype("float32") for i in range(n)] for n in counts
    ]


def pix2pixhd(real, fake, n_layers_d, num_d, lambda_feat=10.0):
    # Networks and loss as in the authors' `pix2pixHD_model.py`.
    total = 0.0
    for i in range(num_d):
        for j in range(len(fake[i]) - 1):
            total += (1 / num_d) * (4 / (n_layers_d + 1)) * np.abs(fake[i][j] - real[i][j]).mean()
    return lambda_feat * total


def hifigan(real, fake):
    return 2 * sum(
        np.abs(r - f).mean()
        for dr, df in zip(real, fake, strict=True)
        for r, f in zip(dr, df, strict=True)
    )


def test_pix2pixhd_as_published(rng):
    real, fake = maps(rng, [5, 5]), maps(rng, [5, 5])  # n_layers_D = 3 has 5 maps
    got = number(FeatureMatchingLoss("pix2pixHD")(real, fake))
    np.testing.assert_allclose(got, pix2pixhd(real, fake, 3, 2), rtol=1e-5)


def test_melgan_as_published(rng):
    real, fake = maps(rng, [7, 7, 7]), maps(rng, [7, 7, 7])  # n_layers_D = 4 has 7 maps
    got = number(FeatureMatchingLoss("melgan")(real, fake))
    np.testing.assert_allclose(got, pix2pixhd(real, fake, 4, 3), rtol=1e-5)


def test_hifigan_as_published(rng):
    real, fake = maps(rng, [4, 6]), maps(rng, [4, 6])
    got = number(FeatureMatchingLoss("hifigan")(real, fake))
    np.testing.assert_allclose(got, hifigan(real, fake), rtol=1e-5)


def test_depth_and_weight_can_be_given(rng):
    real, fake = maps(rng, [4])[0], maps(rng, [4])[0]
    got = number(FeatureMatchingLoss(weight=3.0, n_layers=7)(real, fake))
    np.testing.assert_allclose(got, pix2pixhd([real], [fake], 7, 1, 3.0), rtol=1e-5)


@pytest.mark.parametrize(("style", "moves_real"), [("pix2pixhd", False), ("hifigan", True)])
def test_which_side_the_gradient_reaches(style, moves_real, rng):
    real, fake = maps(rng, [3])[0], maps(rng, [3])[0]
    loss = FeatureMatchingLoss(style)
    to_real = input_gradient(lambda r: loss([r, *real[1:]], fake), real[0])
    to_fake = input_gradient(lambda f: loss(real, [f, *fake[1:]]), fake[0])
    assert ops.convert_to_numpy(to_real).any() == moves_real
    assert ops.convert_to_numpy(to_fake).any()


def test_feature_matching_takes_dicts_and_wants_the_same_maps(rng):
    a, b = maps(rng, [3])[0], maps(rng, [3])[0]
    loss = FeatureMatchingLoss()
    as_dict = [{"x": m[0], "y": m[1], "output": m[2]} for m in (a, b)]
    first = [{"output": m[2], "x": m[0], "y": m[1]} for m in (a, b)]
    wanted = number(loss(a, b))
    np.testing.assert_allclose(number(loss(*as_dict)), wanted, rtol=1e-6)
    np.testing.assert_allclose(number(loss(*first)), wanted, rtol=1e-6)
    with pytest.raises(ValueError, match="same feature maps"):
        loss(a, b[:2])
    with pytest.raises(ValueError, match="the same shape"):
        loss(a, [b[0], b[2], b[1]])
    with pytest.raises(ValueError, match="same discriminators"):
        loss([a, a], [b])
    with pytest.raises(ValueError, match="`style` must be one of"):
        FeatureMatchingLoss("gan")


def test_gram_by_numpy(rng):
    real, fake = (rng.standard_normal((2, 3, 5, 4)).astype("float32") for _ in range(2))

    def gram(x):
        x = x.reshape(len(x), -1, 4)
        return np.einsum("npc,npd->ncd", x, x) / (x.shape[1] * 4)

    wanted = ((gram(real) - gram(fake)) ** 2).sum((1, 2))
    got = ops.convert_to_numpy(GramLoss(reduction=None)(real, fake))
    np.testing.assert_allclose(got, wanted, rtol=1e-4)
    moved = [np.moveaxis(x, -1, 1) for x in (real, fake)]
    got = ops.convert_to_numpy(GramLoss("channels_first", reduction=None)(*moved))
    np.testing.assert_allclose(got, wanted, rtol=1e-4)
    larger = np.concatenate([real, real], 1)
    np.testing.assert_allclose(number(GramLoss()(real, larger)), 0, atol=1e-6)


def extractor():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(4, 3, activation="relu", name="a"),
            keras.layers.Conv2D(5, 3, name="b"),
        ]
    )


def lpips(features, weights):
    total = 0.0
    for (real, fake), w in zip(features, weights, strict=True):
        real, fake = (
            x / np.maximum(np.sqrt((x**2).sum(-1, keepdims=True)), 1e-30) for x in (real, fake)
        )
        total += (((real - fake) ** 2) * w).sum(-1).mean((1, 2))
    return total


def test_perceptual_by_numpy(rng):
    net = extractor()
    tapped = Tapped(net, ["a", "b"])
    real, fake = (rng.standard_normal((2, 8, 8, 3)).astype("float32") for _ in range(2))
    features = [[ops.convert_to_numpy(tapped(x)[key]) for x in (real, fake)] for key in ("a", "b")]
    weights = {"a": rng.random(4), "b": rng.random(5)}
    for given in (None, weights):
        loss = PerceptualLoss(tapped, given, reduction=None)
        w = [1.0, 1.0] if given is None else list(given.values())
        got = ops.convert_to_numpy(loss(real, fake))
        np.testing.assert_allclose(got, lpips(features, w), rtol=1e-4)


def test_perceptual_is_finite_where_features_are_zero():
    loss = PerceptualLoss(keras.layers.Identity())
    gradient = input_gradient(
        lambda x: loss(np.ones((1, 2, 2, 3), "float32"), x), np.zeros((1, 2, 2, 3), "float32")
    )
    assert np.isfinite(ops.convert_to_numpy(gradient)).all()


def test_perceptual_refuses_weights_that_do_not_fit(rng):
    tapped = Tapped(extractor(), ["a"])
    images = rng.standard_normal((1, 8, 8, 3)).astype("float32")
    with pytest.raises(ValueError, match="one per channel, 4"):
        PerceptualLoss(tapped, {"a": np.ones(3)})(images, images)
    with pytest.raises(ValueError, match="for every map"):
        PerceptualLoss(tapped, {"b": np.ones(3)})(images, images)
    with pytest.raises(ValueError, match="must not be negative"):
        PerceptualLoss(tapped, [-np.ones(4)])
    with pytest.raises(TypeError, match="must be a Keras model"):
        PerceptualLoss("vgg")


LOSSES = {
    "matching": lambda: FeatureMatchingLoss("melgan", weight=2.0, n_layers=3),
    "gram": lambda: GramLoss("channels_first"),
    "perceptual": lambda: PerceptualLoss(Tapped(extractor(), ["a"]), {"a": np.arange(4.0)}),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_come_back_from_their_configuration(name, rng):
    loss = LOSSES[name]()
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    shape = (2, 8, 8, 3)
    a, b = (rng.standard_normal(shape).astype("float32") for _ in range(2))
    if hasattr(loss, "extractor"):
        again.extractor.set_weights(loss.extractor.get_weights())
    np.testing.assert_allclose(number(again(a, b)), number(loss(a, b)), rtol=1e-6)


def test_in_compile_and_in_compute_loss(rng):
    x = rng.standard_normal((4, 8, 8, 3)).astype("float32")
    model, net = extractor(), extractor()
    tapped = Tapped(model, ["a"])
    wanted = ops.convert_to_numpy(Tapped(net, ["a"])(x)["a"])
    tapped.compile(
        "sgd", loss={"a": FeatureMatchingLoss(), "output": GramLoss()}, jit_compile=False
    )
    found = tapped.fit(x, {"a": wanted, "output": np.zeros((4, 4, 4, 5))}, epochs=3, verbose=0)
    assert found.history["loss"][-1] < found.history["loss"][0]

    class Student(keras.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return PerceptualLoss(teacher)(y, y_pred)

    teacher = Tapped(net, ["a", "b"])
    student = Student([keras.Input((8, 8, 3)), keras.layers.Conv2D(3, 3, padding="same")])
    student.compile("adam", jit_compile=False)
    found = student.fit(x, x, epochs=4, verbose=0)
    assert found.history["loss"][-1] < found.history["loss"][0]
