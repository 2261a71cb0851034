"""`Adversarial`: which loss moves which network, penalties, and a mixture with all its modes."""

import keras
import numpy as np
import pytest
from keras import ops

from lamina import Adversarial, FeatureMatchingLoss, input_gradient
from lamina.taps._adversarial import _safe_sqrt
from tests.support import to_numpy_tree

LOSSES = ["non_saturating", "hinge", "least_squares", "wasserstein"]
COMPILES = keras.backend.backend() != "torch"  # torch.compile takes a C++ compiler and a minute


def one_fast(first, *others):
    """The first case runs always, the others in `make test-all`."""
    return [first, *(pytest.param(*case, marks=pytest.mark.slow) for case in others)]


def networks(latent=4, norm=False):
    layers = [keras.Input((latent,)), keras.layers.Dense(8, activation="relu")]
    generator = keras.Sequential([*layers, keras.layers.Dense(2)])
    layers = [keras.Input((2,)), keras.layers.Dense(8, activation="tanh", name="hidden")]
    if norm:
        layers += [keras.layers.BatchNormalization(), keras.layers.Dropout(0.2)]
    discriminator = keras.Sequential([*layers, keras.layers.Dense(1, name="score")])
    return generator, discriminator


def slopes(function, model):
    """Gradients of a scalar with respect to every trainable weight of `model`."""
    weights = model.trainable_variables

    def at(values):
        with keras.StatelessScope(list(zip(weights, values, strict=True))):
            return function()

    return to_numpy_tree(input_gradient(at, [ops.copy(w.value) for w in weights]))


@pytest.mark.parametrize(
    ("loss", "norm"),
    one_fast(
        ("non_saturating", True),
        ("non_saturating", False),
        *((loss, norm) for loss in LOSSES[1:] for norm in (False, True)),
    ),
)
def test_each_loss_moves_its_own_network_and_the_other_by_exactly_zero(loss, norm, rng):
    generator, discriminator = networks(norm=norm)
    style = FeatureMatchingLoss("hifigan")  # the one whose gradient reaches the real side too
    gan = Adversarial(
        generator,
        discriminator,
        loss,
        r1=1.0,
        gradient_penalty=1.0,
        taps="hidden",
        feature_matching=style,
    )
    z = rng.standard_normal((6, 4)).astype("float32")
    real = ops.convert_to_tensor(rng.standard_normal((6, 2)).astype("float32"))
    for which, mover, other in (
        ("generator", generator, discriminator),
        ("discriminator", discriminator, generator),
    ):
        play = lambda which=which: gan.play(real, generator(z))[which]  # noqa: E731
        assert all(g.any() for g in slopes(play, mover)[:2])
        assert not any(g.any() for g in slopes(play, other))


def test_losses_as_published(rng):
    real, fake = rng.standard_normal((2, 6, 2)).astype("float32")
    generator, discriminator = networks()
    r, f = (ops.convert_to_numpy(discriminator(x)).astype("float64") for x in (real, fake))
    wanted = {
        "non_saturating": (np.log1p(np.exp(-r)) + np.log1p(np.exp(f)), np.log1p(np.exp(-f))),
        "hinge": (np.maximum(0, 1 - r) + np.maximum(0, 1 + f), -f),
        "least_squares": ((r - 1) ** 2 / 2 + f**2 / 2, (f - 1) ** 2 / 2),
        "wasserstein": (f - r, -f),
    }
    for loss, values in wanted.items():
        gan = Adversarial(generator, discriminator, loss)
        got = gan.play(ops.convert_to_tensor(real), ops.convert_to_tensor(fake))
        for name, value in zip(("discriminator", "generator"), values, strict=True):
            np.testing.assert_allclose(ops.convert_to_numpy(got[name]), value.mean(), rtol=1e-4)


def test_penalties_as_published(rng):
    """A linear critic w.x has the slope w everywhere."""
    generator, _ = networks()
    critic = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
    critic.set_weights([np.array([[3.0], [4.0]], "float32")])
    real, fake = (
        ops.convert_to_tensor(x.astype("float32")) for x in rng.standard_normal((2, 6, 2))
    )
    plain = ops.convert_to_numpy(Adversarial(generator, critic).play(real, fake)["discriminator"])
    for penalty, wanted in {"r1": 2.0 / 2 * 25, "gradient_penalty": 2.0 * (5 - 1) ** 2}.items():
        gan = Adversarial(generator, critic, **{penalty: 2.0})
        got = ops.convert_to_numpy(gan.play(real, fake)["discriminator"])
        np.testing.assert_allclose(got - plain, wanted, rtol=1e-4)


def test_penalties_and_their_gradients_are_finite_at_zero():
    generator, _ = networks()
    critic = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    critic.set_weights([np.zeros((2, 1), "float32"), np.zeros(1, "float32")])
    gan = Adversarial(generator, critic, "wasserstein", r1=1.0, gradient_penalty=1.0)
    data = ops.ones((4, 2))
    found = slopes(lambda: gan.play(data, data)["discriminator"], critic)
    assert all(np.isfinite(g).all() for g in found)
    slope = input_gradient(_safe_sqrt, np.array([0.0, 4.0], "float32"))
    np.testing.assert_array_equal(ops.convert_to_numpy(slope), [0, 0.25])


@pytest.mark.parametrize(
    ("loss", "jit"),
    # XLA takes long over second derivatives, and JAX takes longer without it.
    one_fast(
        ("non_saturating", keras.backend.backend() == "jax"),
        *((loss, COMPILES and "auto") for loss in LOSSES),
    ),
)
def test_trains_under_fit_saves_and_loads(loss, jit, rng, tmp_path):
    generator, discriminator = networks(norm=True)
    gan = Adversarial(
        generator,
        discriminator,
        loss,
        latent_dim=4,
        learning_rate_ratio=2.0,
        r1=0.1,
        gradient_penalty=0.1,
        taps=["hidden"],
    )
    gan.compile("adam", jit_compile=jit)
    before = [np.array(w) for w in gan.get_weights()]
    data = rng.standard_normal((32, 2)).astype("float32")
    history = gan.fit(data, epochs=2, batch_size=16, verbose=0).history
    assert {"loss", "generator_loss", "discriminator_loss"} <= set(history)
    assert np.isfinite(history["loss"]).all()
    np.testing.assert_allclose(
        np.add(history["generator_loss"], history["discriminator_loss"]), history["loss"], rtol=1e-4
    )
    moved = [(a != b).any() for a, b in zip(before, gan.get_weights(), strict=True)]
    assert sum(moved) >= 10
    gan.evaluate(data, verbose=0)
    assert gan.predict(data[:5], verbose=0).shape == (5, 2)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    z = rng.standard_normal((3, 4)).astype("float32")
    np.testing.assert_array_equal(
        ops.convert_to_numpy(loaded.generator(z)), ops.convert_to_numpy(gan.generator(z))
    )
    assert loaded.taps == gan.taps and loaded.learning_rate_ratio == 2.0


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_ratio_scales_the_discriminators_step_whatever_the_optimizer(optimizer, rng):
    data = rng.standard_normal((8, 2)).astype("float32")
    z = rng.standard_normal((8, 4)).astype("float32")
    steps = []
    for ratio in (1.0, 0.25):
        keras.utils.set_random_seed(0)
        generator, discriminator = networks()
        gan = Adversarial(generator, discriminator, learning_rate_ratio=ratio)
        gan.compile(optimizer, jit_compile=False)
        gan.compile(optimizer, jit_compile=False)  # once more changes nothing
        gan.build(z.shape)
        before = [*discriminator.get_weights(), *generator.get_weights()]
        gan.train_on_batch(z, data)
        after = [*discriminator.get_weights(), *generator.get_weights()]
        steps.append([b - a for a, b in zip(before, after, strict=True)])
    for i, (full, scaled) in enumerate(zip(*steps, strict=True)):
        np.testing.assert_allclose(scaled, full * (0.25 if i < 4 else 1), rtol=1e-3, atol=1e-7)


@pytest.mark.tensorflow
def test_a_step_reads_each_weight_of_the_discriminator_once(rng):
    """A second, frozen read could run after the update: TensorFlow's Grappler loses their order."""
    import tensorflow as tf

    generator, discriminator = networks()
    gan = Adversarial(generator, discriminator, r1=1.0, taps="hidden")
    x = ops.convert_to_tensor(rng.standard_normal((8, 2)).astype("float32"))
    graph = tf.function(lambda: gan.play(x, x)).get_concrete_function().graph
    reads = [op.inputs[0].name for op in graph.get_operations() if op.type == "ReadVariableOp"]
    assert len(reads) == len(set(reads)) == len(discriminator.trainable_variables)


def test_an_autoencoder_adds_its_own_loss(rng):
    generator, discriminator = networks(latent=2)
    gan = Adversarial(generator, discriminator)
    gan.compile("sgd", loss="mse", jit_compile=False)
    x = rng.standard_normal((8, 2)).astype("float32")
    gan.build(x.shape)
    play = gan.play(ops.convert_to_tensor(x), generator(x))
    wanted = sum(float(ops.convert_to_numpy(v)) for v in play.values())
    wanted += ((ops.convert_to_numpy(generator(x)) - x) ** 2).mean()
    np.testing.assert_allclose(
        gan.evaluate(x, verbose=0, return_dict=True)["loss"], wanted, rtol=1e-4
    )


def test_mixed_precision_with_penalties(rng):
    keras.config.set_dtype_policy("mixed_bfloat16")
    generator, discriminator = networks()
    gan = Adversarial(generator, discriminator, r1=1.0, gradient_penalty=1.0, taps="hidden")
    x = rng.standard_normal((8, 2)).astype("float32")
    z = rng.standard_normal((8, 4)).astype("float32")
    play = gan.play(ops.convert_to_tensor(x), generator(z))
    assert {keras.backend.standardize_dtype(v.dtype) for v in play.values()} == {"float32"}
    assert all(np.isfinite(ops.convert_to_numpy(v)) for v in play.values())


@pytest.mark.tensorflow
@pytest.mark.slow
@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_two_replicas_of_a_strategy_train_as_one_device(ratio):
    import subprocess
    import sys

    code = f"""
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
from lamina import Adversarial
from tests.taps.test_adversarial import networks

def made():
    keras.utils.set_random_seed(0)
    gan = Adversarial(*networks(), r1=1.0, taps="hidden", learning_rate_ratio={ratio})
    gan.build((None, 4))
    gan.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    return gan

alone = made()
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    shared = made()
z = np.random.default_rng(0).standard_normal((32, 4)).astype("float32")
losses = [gan.fit(z, z[:, :2], batch_size=8, shuffle=False, epochs=2, verbose=0).history["loss"]
          for gan in (alone, shared)]
np.testing.assert_allclose(*losses, rtol=1e-4)
for a, b in zip(alone.get_weights(), shared.get_weights()):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
print("the same")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "the same"


def test_bad_arguments():
    generator, discriminator = networks()
    with pytest.raises(ValueError, match="`loss` must be one of"):
        Adversarial(generator, discriminator, loss="gan")
    with pytest.raises(ValueError, match="`r1` must be 0 or more"):
        Adversarial(generator, discriminator, r1=-1.0)
    with pytest.raises(ValueError, match="no layer `nowhere`"):
        Adversarial(generator, discriminator, taps="nowhere")


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_reaches_all_modes_of_a_mixture(seed):
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    angles = np.arange(8) * np.pi / 4
    centres = 2 * np.stack([np.cos(angles), np.sin(angles)], 1)
    data = centres[rng.integers(0, 8, 16384)] + 0.05 * rng.standard_normal((16384, 2))

    def mlp(inputs, outputs, activation):
        hidden = [keras.layers.Dense(128, activation, name=f"h{i}") for i in range(3)]
        return keras.Sequential([keras.Input((inputs,)), *hidden, keras.layers.Dense(outputs)])

    critic = mlp(2, 1, "leaky_relu")
    gan = Adversarial(
        mlp(16, 2, "relu"),
        critic,
        latent_dim=16,
        learning_rate_ratio=2.0,
        r1=0.1,
        taps=["h1", "h2", "h0"],
        feature_matching=FeatureMatchingLoss(weight=0.1),
    )
    # Without its compiler, JAX runs operation by operation.
    compiles = keras.backend.backend() == "jax"
    gan.compile(keras.optimizers.Adam(5e-4, beta_1=0.5), jit_compile=compiles)
    gan.fit(data.astype("float32"), batch_size=256, epochs=40, verbose=0)
    made = gan.predict(np.zeros((4000, 2), "float32"), verbose=0, batch_size=1000)
    distance = np.linalg.norm(made[:, None] - centres, axis=-1)
    near = distance.min(1) < 0.4
    counts = np.bincount(distance.argmin(1)[near], minlength=8)
    assert near.mean() > 0.7, near.mean()
    assert (counts > 40).all(), counts
