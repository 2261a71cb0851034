"""An autoencoder of a walk, trained with a discriminator beside a squared loss.

Run: python -m examples.adversarial_signal [PICTURE.png]    (needs aeon and matplotlib)

Two seconds of a real accelerometer, 128 samples, go through eight numbers and back. What these
cannot hold, a squared loss leaves out: the steps come back flattened. With a discriminator and
feature matching beside it, the steps come back nearer their full height, at the price of a larger
squared error: where a detail is not known, a likely one is made.
"""

import pathlib
import sys

import aeon
import keras
import matplotlib
import numpy as np

import lamina

matplotlib.use("Agg")
import matplotlib.pyplot as plt

DATA = pathlib.Path(aeon.__file__).parent / "datasets/data/Daphnet_S06R02E0/S06R02E0.csv"


def windows(length=128, step=8):
    """Windows of the ankle's forward acceleration: the first five sevenths, and the rest."""
    signal = np.genfromtxt(DATA, delimiter=",", skip_header=1, usecols=1)
    signal = ((signal - signal.mean()) / signal.std()).astype("float32")
    cut = lambda part: np.lib.stride_tricks.sliding_window_view(part, length)[::step, :, None]  # noqa: E731
    return cut(signal[:5000]), cut(signal[5000:])


def autoencoder():
    """128 samples through 8 numbers and back."""
    conv, up = keras.layers.Conv1D, keras.layers.UpSampling1D
    encoder = [conv(n, 9, strides=4, padding="same", activation="relu") for n in (16, 32)]
    middle = [keras.layers.Flatten(), keras.layers.Dense(8), keras.layers.Dense(256, "relu")]
    decoder = [
        *(keras.layers.Reshape((8, 32)), up(4), conv(32, 9, padding="same", activation="relu")),
        *(up(4), conv(16, 9, padding="same", activation="relu"), conv(1, 9, padding="same")),
    ]
    return keras.Sequential([keras.Input((128, 1)), *encoder, *middle, *decoder])


def discriminator():
    conv = keras.layers.Conv1D
    layers = [conv(32, 9, strides=2, activation="leaky_relu", name=f"conv{i}") for i in range(3)]
    return keras.Sequential([keras.Input((128, 1)), *layers, conv(1, 5, name="scores")])


def swing(x):
    """Mean size of the largest swing in each window: what a squared loss flattens."""
    return float((x.max(1) - x.min(1)).mean())


def main(picture="adversarial_signal.png"):
    train, test = windows()
    shown = {"the signal": (test, "k")}
    for name, colour in {"squared loss": "C1", "adversarial": "C0"}.items():
        keras.utils.set_random_seed(0)
        model = autoencoder()
        if name == "adversarial":
            model = lamina.Adversarial(
                model,
                discriminator(),
                "hinge",
                taps=["conv0", "conv1", "conv2"],
                feature_matching=lamina.FeatureMatchingLoss("melgan"),
                learning_rate_ratio=0.5,
            )
        model.compile(keras.optimizers.Adam(2e-3), loss="mse", jit_compile=False)
        model.fit(train, train, epochs=40, batch_size=32, verbose=0)
        shown[name] = (model.predict(test, verbose=0), colour)
    figure, axes = plt.subplots(3, 1, figsize=(9, 6), sharey=True, layout="constrained")
    for axis, index in zip(axes, (20, len(test) // 2, len(test) - 20), strict=True):
        for name, (values, colour) in shown.items():
            label = f"{name}: swing {swing(values):.2f}"
            axis.plot(np.arange(128) / 64, values[index, :, 0], colour, lw=1.2, label=label)
    axes[0].legend(fontsize=8, ncols=3, loc="lower left")
    axes[-1].set_xlabel("seconds")
    for name, (values, _) in shown.items():
        error = float(np.mean((values - test) ** 2))
        print(f"{name:14s} squared error {error:.3f}, swing {swing(values):.2f}")
    figure.savefig(picture, dpi=110)
    print(f"picture: {picture}")


if __name__ == "__main__":
    main(*sys.argv[1:])
