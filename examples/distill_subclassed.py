"""Feature distillation of a subclassed teacher, which Keras' own FeatureDistillation refuses.

Run: python -m examples.distill_subclassed [PICTURE.png]    (needs scikit-learn and matplotlib)
"""

import sys

import keras
import matplotlib
from sklearn.datasets import load_digits

import lamina

matplotlib.use("Agg")
import matplotlib.pyplot as plt


class Teacher(keras.Model):
    def __init__(self):
        super().__init__()
        self.blocks = [keras.layers.Dense(128, activation="relu") for _ in range(3)]
        self.head = keras.layers.Dense(10)

    def call(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def student():
    layers = [
        keras.layers.Dense(16, activation="relu"),
        keras.layers.Dense(128, name="like_teacher"),
        keras.layers.Dense(10, name="scores"),
    ]
    return keras.Sequential([keras.Input((64,)), *layers])


def train(model, loss, x, y, metrics, epochs=15):
    model.compile(keras.optimizers.Adam(2e-3), loss=loss, metrics=metrics, jit_compile=False)
    model.fit(x, y, epochs=epochs, batch_size=32, verbose=0)


def main(picture="distill_subclassed.png"):
    keras.utils.set_random_seed(0)
    digits = load_digits()
    x, y = (digits.data / 16).astype("float32"), digits.target
    labelled, test = slice(0, 100), slice(1400, None)  # 100 labels; the teacher had 1400
    scores = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    teacher = Teacher()
    train(teacher, scores, x[:1400], y[:1400], ["accuracy"])
    tapped = lamina.Tapped(teacher, {"features": "blocks.2"})
    features = tapped.predict(x[labelled], verbose=0)["features"]

    alone, distilled = student(), student()
    distilled.set_weights(alone.get_weights())
    train(alone, scores, x[labelled], y[labelled], ["accuracy"], epochs=150)
    pupil = lamina.Tapped(distilled, {"features": "like_teacher"})
    target = {"output": y[labelled], "features": features}
    train(pupil, {"output": scores, "features": "mse"}, x[labelled], target, None, epochs=150)

    def accuracy(model):
        return float((model.predict(x[test], verbose=0).argmax(1) == y[test]).mean())

    found = {
        "teacher, 1400 labels": accuracy(teacher),
        "student, 100 labels": accuracy(alone),
        "student, 100 labels\nand the teacher's features": accuracy(distilled),
    }
    for name, value in found.items():
        print(f"{' '.join(name.split()):50s} accuracy {value:.3f}")
    figure, axis = plt.subplots(figsize=(7, 3))
    bars = axis.barh(list(found), list(found.values()), color=["#999999", "#d08030", "#3070b0"])
    axis.bar_label(bars, fmt="%.3f", padding=3)
    axis.set(xlim=(0.5, 1.02), xlabel="accuracy on 397 digits not seen")
    axis.invert_yaxis()
    figure.savefig(picture, dpi=110, bbox_inches="tight")
    print(f"picture: {picture}")


if __name__ == "__main__":
    main(*sys.argv[1:])
