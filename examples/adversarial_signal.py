"""An autoencoder of arterial-pressure beats, trained with a discriminator beside a squared loss.

Run: python examples/adversarial_signal.py [PICTURE.png]    (needs aeon and matplotlib)
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

DATA = pathlib.Path(aeon.__file__).parent / "datasets/data/KDD-TSAD_135"
NAME = "135_UCR_Anomaly_InternalBleeding16_{}.csv"


def windows(part, length=128, step=16):
    """Standardised windows of a real recording, the one that the aeon package carries."""
    table = np.genfromtxt(DATA / NAME.format(part), delimiter=",", skip_header=1)
    signal = table[:, 1] if table.ndim == 2 else table
    starts = range(0, len(signal) - length, step)
    cut = np.stack([signal[s : s + length] for s in starts]).astype("float32")
    return ((cut - signal.mean()) / signal.std())[..., None]


def autoencoder():
    """128 samples through 8 numbers and back."""
    conv, up = keras.layers.Conv1D, keras.layers.UpSampling1D
    return keras.Sequential(
        [
            keras.Input((128, 1)),
            conv(16, 9, strides=4, padding="same", activation="relu"),
            conv(16, 9, strides=4, padding="same", activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(8),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Reshape((8, 16)),
            up(4),
            conv(16, 9, padding="same", activation="relu"),
            up(4),
            conv(16, 9, padding="same", activation="relu"),
            conv(1, 9, padding="same"),
        ]
    )


def discriminator():
    conv = keras.layers.Conv1D
    layers = [conv(16, 9, strides=2, activation="leaky_relu", name=f"conv{i}") for i in range(3)]
    return keras.Sequential([keras.Input((128, 1)), *layers, conv(1, 5, name="scores")])


def roughness(x):
    """Size of the second differences: what a squared loss smooths away."""
    return float(np.abs(np.diff(x, 2, axis=1)).mean())


def main(picture="adversarial_signal.png"):
    train, test = windows("TRAIN"), windows("TEST")
    rebuilt = {}
    for name, adversarial in {"squared loss": False, "adversarial": True}.items():
        keras.utils.set_random_seed(0)
        model = autoencoder()
        if adversarial:
            model = lamina.Adversarial(
                model,
                discriminator(),
                "hinge",
                taps=["conv0", "conv1", "conv2"],
                r1=0.1,
                feature_matching=lamina.FeatureMatchingLoss("melgan", weight=2.0),
            )
        model.compile(keras.optimizers.Adam(1e-3), loss="mse", jit_compile=False)
        model.fit(train, train, epochs=30, batch_size=32, verbose=0)
        rebuilt[name] = model.predict(test, verbose=0)
    rebuilt["the signal"] = test
    figure, axes = plt.subplots(1, 3, figsize=(12, 3), sharey=True)
    for axis, index in zip(axes, (10, len(test) // 2, len(test) - 20), strict=True):
        for name, style in {"the signal": "k", "squared loss": "C1", "adversarial": "C0"}.items():
            label = f"{name}: roughness {roughness(rebuilt[name]):.4f}"
            axis.plot(rebuilt[name][index, :, 0], style, lw=1.2, label=label)
    axes[0].legend(fontsize=7)
    for name, values in rebuilt.items():
        error = float(np.abs(values - test).mean())
        print(f"{name:14s} error {error:.4f} roughness {roughness(values):.4f}")
    figure.savefig(picture, dpi=110, bbox_inches="tight")
    print(f"picture: {picture}")


if __name__ == "__main__":
    main(*sys.argv[1:])
