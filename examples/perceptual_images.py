"""A perceptual loss beside a squared one: digits through three numbers and back.

Run: python -m examples.perceptual_images [PICTURE.png]    (needs scikit-learn and matplotlib)

An autoencoder with three numbers in the middle cannot keep everything. A squared loss keeps what is
large. A perceptual loss, on the features of a classifier, keeps what makes a digit that digit. A
judge that neither has met, a support vector machine, reads both.
"""

import sys

import keras
import matplotlib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.svm import SVC

import lamina

matplotlib.use("Agg")
import matplotlib.pyplot as plt


class Classifier(keras.Model):
    """Subclassed: no `.output` to build a second model from."""

    def __init__(self):
        super().__init__()
        self.convs = [
            keras.layers.Conv2D(16, 3, padding="same", activation="relu") for _ in range(3)
        ]
        self.head = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10)])

    def call(self, x):
        for conv in self.convs:
            x = conv(x)
        return self.head(x)


def autoencoder():
    dense = keras.layers.Dense
    layers = [dense(128, "relu"), dense(3), dense(128, "relu"), dense(64, "sigmoid")]
    flatten, back = keras.layers.Flatten(), keras.layers.Reshape((8, 8, 1))
    return keras.Sequential([keras.Input((8, 8, 1)), flatten, *layers, back])


def fit(model, loss, x, y, epochs):
    model.compile(keras.optimizers.Adam(3e-3), loss, jit_compile=False)
    model.fit(x, y, epochs=epochs, batch_size=64, verbose=0)


def main(picture="perceptual_images.png"):
    keras.utils.set_random_seed(0)
    digits = load_digits()
    images = (digits.images[..., None] / 16).astype("float32")
    train, test, labels = images[:1400], images[1400:], digits.target
    classifier = Classifier()
    scores = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    fit(classifier, scores, train, labels[:1400], epochs=10)
    perceptual = lamina.PerceptualLoss(lamina.Tapped(classifier, ["convs.0", "convs.1", "convs.2"]))

    judge = SVC().fit(train.reshape(len(train), -1), labels[:1400])
    rows = {"the digit": test}
    for name, loss in {"squared loss": "mse", "perceptual loss": perceptual}.items():
        keras.utils.set_random_seed(1)
        model = autoencoder()
        fit(model, loss, train, train, epochs=60)
        rows[name] = model.predict(test, verbose=0)
    shown = [int(np.flatnonzero(labels[1400:] == d)[0]) for d in range(10)]
    figure, axes = plt.subplots(3, 10, figsize=(9, 3.6), layout="constrained")
    for row, (name, made) in zip(axes, rows.items(), strict=True):
        right = judge.score(made.reshape(len(made), -1), labels[1400:])
        error = float(np.mean((made - test) ** 2))
        print(f"{name:16s} squared error {error:.4f}, read correctly {right:.3f}")
        row[0].set_title(f"{name}: {right:.1%} read correctly", loc="left", fontsize=9)
        for axis, index in zip(row, shown, strict=True):
            axis.imshow(made[index, ..., 0], cmap="gray_r", vmin=0, vmax=1)
            axis.axis("off")
    figure.savefig(picture, dpi=110)
    print(f"picture: {picture}")


if __name__ == "__main__":
    main(*sys.argv[1:])
