"""Grad-CAM of a subclassed classifier: where does it look, to tell digits apart?

Run: python -m examples.grad_cam [PICTURE.png]    (needs scikit-learn and matplotlib)
"""

import sys

import keras
import matplotlib
import numpy as np
from keras import ops
from sklearn.datasets import load_digits

import lamina

matplotlib.use("Agg")
import matplotlib.pyplot as plt


class Classifier(keras.Model):
    """Subclassed: no `.output` to build a second model from."""

    def __init__(self):
        super().__init__()
        self.convs = [
            keras.layers.Conv2D(32, 3, padding="same", activation="relu") for _ in range(3)
        ]
        self.head = keras.Sequential(
            [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10)]
        )

    def call(self, x):
        for conv in self.convs:
            x = conv(x)
        return self.head(x)


def grad_cam(model, images, classes, path):
    """Selvaraju et al., equations 1 and 2."""
    classes = ops.convert_to_tensor(classes[:, None])
    maps, slopes = lamina.tap_gradients(
        model, path, images, score=lambda scores: ops.take_along_axis(scores, classes, axis=1)
    )
    weights = ops.mean(slopes[path], axis=(1, 2), keepdims=True)
    return ops.convert_to_numpy(ops.relu(ops.sum(weights * maps[path], -1)))


def main(picture="grad_cam.png"):
    keras.utils.set_random_seed(0)
    digits = load_digits()
    images = (digits.images[..., None] / 16).astype("float32")
    model = Classifier()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-2), loss, metrics=["accuracy"], jit_compile=False)
    model.fit(images[:1400], digits.target[:1400], epochs=20, batch_size=64, verbose=0)
    accuracy = model.evaluate(images[1400:], digits.target[1400:], verbose=0)[1]
    print(f"accuracy on 397 digits not seen: {accuracy:.3f}")
    shown = np.array([np.flatnonzero(digits.target[1400:] == d)[0] + 1400 for d in range(10)])
    heat = grad_cam(model, images[shown], digits.target[shown], "convs.2")
    figure, axes = plt.subplots(2, 10, figsize=(12, 3), layout="constrained")
    for i, (image, map_) in enumerate(zip(images[shown, ..., 0], heat, strict=True)):
        axes[0, i].imshow(image, cmap="gray_r")
        axes[1, i].imshow(image, cmap="gray_r")
        axes[1, i].imshow(map_, cmap="inferno", alpha=0.6, interpolation="bilinear")
        axes[0, i].set_title(str(digits.target[shown[i]]))
    for axis in axes.flat:
        axis.axis("off")
    figure.suptitle("What speaks for the class: Grad-CAM at the third convolution")
    figure.savefig(picture, dpi=110, bbox_inches="tight")
    print(f"picture: {picture}")


if __name__ == "__main__":
    main(*sys.argv[1:])
