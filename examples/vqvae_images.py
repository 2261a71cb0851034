"""A VQ-VAE on photographs: 256 codes, nearly all of them used.

    python -m examples.vqvae_images [--epochs 8] [--out out/vqvae]

Trains twice on crops of the two photographs that scikit-learn carries: as `VectorQuantizer` comes,
and naively (rows from a random start, moved by the optimiser, no revival). Prints the error on
crops not seen in training and the share of the codes in use, and draws both.
"""

import argparse
import pathlib

import keras
import matplotlib
import numpy as np
from sklearn.datasets import load_sample_images

import lamina

SIDE, CODES, WIDTH = 32, 256, 16
NAIVE = dict(update="gradient", start="uniform", revive_below=0.0)


def photographs():
    """Two photographs, in [-0.5, 0.5]."""
    return [(image / 255.0 - 0.5).astype("float32") for image in load_sample_images().images]


def held_out(image):
    """The upright band in the middle, a fifth of the width."""
    width = image.shape[1] // 5
    return image[:, 2 * width : 3 * width]


def crops(images, count, seed):
    """Random crops `(count, 32, 32, 3)` of the images."""
    rng = np.random.default_rng(seed)
    result = np.empty((count, SIDE, SIDE, 3), "float32")
    for i in range(count):
        image = images[i % len(images)]
        row, column = (rng.integers(0, n - SIDE + 1) for n in image.shape[:2])
        result[i] = image[row : row + SIDE, column : column + SIDE]
    return result


def training_crops(count):
    """Crops of what lies left and right of the held-out bands."""
    sides = []
    for image in photographs():
        width = image.shape[1] // 5
        sides += [image[:, : 2 * width], image[:, 3 * width :]]
    return crops(sides, count, seed=0)


def autoencoder(quantizer):
    """Images of any size -> a code for each 4 x 4 pixels -> images."""

    def conv(kernels, size, **options):
        return keras.layers.Conv2D(kernels, size, padding="same", **options)

    def up(kernels, **options):
        return keras.layers.Conv2DTranspose(kernels, 4, strides=2, padding="same", **options)

    inputs = keras.Input((None, None, 3))
    x = conv(32, 4, strides=2, activation="relu")(inputs)
    x = conv(64, 4, strides=2, activation="relu")(x)
    x = conv(WIDTH, 1)(x)
    x = quantizer(x)
    x = conv(64, 3, activation="relu")(x)
    x = up(32, activation="relu")(x)
    outputs = up(3)(x)
    return keras.Model(inputs, outputs)


def train(x, epochs, seed=1, **options):
    """The autoencoder after `fit`."""
    quantizer = lamina.VectorQuantizer(CODES, seed=seed, name="vq", **options)
    model = autoencoder(quantizer)
    model.compile(keras.optimizers.Adam(2e-3), "mse")
    model.fit(x, x, batch_size=64, epochs=epochs, callbacks=[lamina.CodebookMonitor()], verbose=2)
    return model


def measured(model, x):
    """Root mean square error on x, and how often each code occurs there."""
    quantizer = model.get_layer("vq")
    encoder = keras.Model(model.input, quantizer.input)
    codes = keras.ops.convert_to_numpy(quantizer.encode(encoder.predict(x, verbose=0)))
    hits = np.bincount(codes.ravel(), minlength=CODES)
    return float(np.sqrt(np.mean((model.predict(x, verbose=0) - x) ** 2))), hits


def draw(models, results, path):
    """The held-out bands and what is left of them; how often each code is used."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=(10, 7.6), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(3, 2))
    axes = above.subplots(1, 6)
    for photograph, image in enumerate(photographs()):
        band = held_out(image)[96:352]
        shown = {"original": band}
        shown.update(
            {name: model.predict(band[None], verbose=0)[0] for name, model in models.items()}
        )
        for axis, (name, picture) in zip(axes[3 * photograph :], shown.items(), strict=False):
            axis.imshow(np.clip(picture + 0.5, 0, 1))
            error = (
                f"\nRMSE {np.sqrt(np.mean((picture - band) ** 2)):.3f}" if name in models else ""
            )
            axis.set_title(name + error, fontsize=9)
            axis.axis("off")
    above.suptitle("Bands that were not trained on, from one byte for each 4 x 4 pixels")
    axis = below.subplots()
    for (name, (_, hits)), color in zip(results.items(), ("tab:blue", "tab:orange"), strict=True):
        label = f"{name}: {np.mean(hits > 0):.0%} of {CODES} codes in use"
        axis.step(np.arange(CODES), np.sort(hits)[::-1] / hits.sum(), label=label, color=color)
    axis.set(xlabel="codes, most frequent first", ylabel="share of all codes", yscale="log")
    axis.legend(frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def unseen_crops():
    """Crops of the held-out bands."""
    return crops([held_out(image) for image in photographs()], 600, seed=1)


def main(epochs=8, count=6000, out="out/vqvae"):
    keras.utils.set_random_seed(0)
    x = training_crops(count)
    unseen = unseen_crops()
    models, results = {}, {}
    for name, options in (("lamina", {}), ("naive", NAIVE)):
        models[name] = train(x, epochs, **options)
        results[name] = error, hits = measured(models[name], unseen)
        print(f"{name}: RMSE {error:.4f} on unseen crops, {np.mean(hits > 0):.1%} of codes in use")
    pathlib.Path(out).mkdir(parents=True, exist_ok=True)
    draw(models, results, pathlib.Path(out) / "vqvae_images.png")
    return {name: (error, float(np.mean(hits > 0))) for name, (error, hits) in results.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--out", default="out/vqvae")
    arguments = parser.parse_args()
    main(arguments.epochs, out=arguments.out)
