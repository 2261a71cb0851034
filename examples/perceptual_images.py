"""A perceptual loss beside a squared one: two networks that undo a blur of photographs.

Run: python examples/perceptual_images.py [PICTURE.png]    (needs scikit-learn and matplotlib)

The extractor has random weights, so nothing is downloaded: it is enough to ask for edges and
textures. For a human's eye, give `PerceptualLoss` a trained one.
"""

import sys

import keras
import matplotlib
import numpy as np
from keras import ops
from sklearn.datasets import load_sample_image

import lamina

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def patches(name, size=32, step=24):
    """Patches of a photograph at half size, and the same blurred."""
    image = load_sample_image(name).astype("float32")[:426] / 255
    image = image.reshape(213, 2, 320, 2, 3).mean((1, 3))
    rows, columns = range(0, 213 - size, step), range(0, 320 - size, step)
    sharp = np.stack([image[r : r + size, c : c + size] for r in rows for c in columns])
    small = ops.average_pool(sharp, 4)
    return ops.convert_to_numpy(ops.image.resize(small, (size, size))), sharp


def network():
    convs = [keras.layers.Conv2D(24, 3, padding="same", activation="relu") for _ in range(3)]
    inputs = keras.Input((32, 32, 3))
    x = inputs
    for conv in convs:
        x = conv(x)
    return keras.Model(inputs, inputs + keras.layers.Conv2D(3, 3, padding="same")(x))


def extractor():
    """Three convolutions with random weights; the taps are after each."""
    names = ["edges", "corners", "textures"]
    layers = [
        keras.layers.Conv2D(16, 3, strides=1 + (i > 0), activation="relu", name=name)
        for i, name in enumerate(names)
    ]
    return lamina.Tapped(keras.Sequential([keras.Input((32, 32, 3)), *layers]), names)


def sharpness(images):
    """Mean size of the steps between neighbours."""
    return float(np.abs(np.diff(images, axis=1)).mean() + np.abs(np.diff(images, axis=2)).mean())


def main(picture="perceptual_images.png"):
    keras.utils.set_random_seed(0)
    blurred, sharp = patches("china.jpg")
    test_blurred, test_sharp = patches("flower.jpg")
    perceptual = lamina.PerceptualLoss(extractor())

    def both(y_true, y_pred):
        return ops.mean(ops.abs(y_true - y_pred)) + 0.3 * perceptual(y_true, y_pred)

    results = {"blurred": test_blurred}
    for name, loss in {"squared loss": "mse", "perceptual loss": both}.items():
        model = network()
        model.compile(keras.optimizers.Adam(2e-3), loss, jit_compile=False)
        model.fit(blurred, sharp, epochs=15, batch_size=16, verbose=0)
        results[name] = model.predict(test_blurred, verbose=0)
    results["the photograph"] = test_sharp
    for name, images in results.items():
        print(f"{name:16s} sharpness {sharpness(images):.4f}")
    figure, axes = plt.subplots(4, 6, figsize=(9, 6.4))
    contrast = np.argsort(-test_sharp.std((1, 2, 3)))[:60:10]
    for row, (name, images) in zip(axes, results.items(), strict=True):
        for axis, index in zip(row, contrast, strict=True):
            axis.imshow(np.clip(images[index], 0, 1))
            axis.axis("off")
        row[0].set_title(f"{name}: sharpness {sharpness(images):.4f}", loc="left", fontsize=9)
    figure.savefig(picture, dpi=110, bbox_inches="tight")
    print(f"picture: {picture}")


if __name__ == "__main__":
    main(*sys.argv[1:])
