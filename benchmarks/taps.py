"""Taps: what a training step with five of them costs.

Run: python -m benchmarks.taps

A subclassed MobileNetV2 (alpha 1, 96 x 96, batch 8), TensorFlow compiled without XLA, five block
outputs in the loss: the mean of the squares of each is added to the model's own loss. Beside each
other, in turn, in one process:

- tapped: `lamina.Tapped(model, five paths)`;
- by hand: the same model, changed to return the five tensors itself;
- second pass: what users write today: the unchanged model gives the output, and the layers up to
  the fifth point are run once more, by hand, for the features.
"""

import os
import statistics
import time

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import ops

from lamina import Tapped, capture

# Expansion, channels, repeats, stride: Sandler et al., arXiv:1801.04381, table 2.
TABLE = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
]
POINTS = (2, 5, 9, 12, 15)
BATCH, SIZE, PAIRS = 8, 96, 9


class Inverted(keras.layers.Layer):
    """The inverted residual block."""

    def __init__(self, channels, expansion, out, stride):
        super().__init__()
        self.residual = stride == 1 and channels == out
        conv, norm = keras.layers.Conv2D, keras.layers.BatchNormalization
        relu6 = lambda: keras.layers.ReLU(6.0)  # noqa: E731
        depthwise = keras.layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)
        expand = [conv(channels * expansion, 1, use_bias=False), norm(), relu6()]
        project = [depthwise, norm(), relu6(), conv(out, 1, use_bias=False), norm()]
        self.steps = [*(expand if expansion > 1 else []), *project]

    def call(self, x, training=None):
        y = x
        for step in self.steps:
            y = step(y, training=training)
        return x + y if self.residual else y


class MobileNet(keras.Model):
    """MobileNetV2 as a subclass, with three ways to the features."""

    def __init__(self, way="plain"):
        super().__init__()
        self.way = way
        self.stem = keras.layers.Conv2D(32, 3, 2, padding="same", use_bias=False)
        self.blocks, channels = [], 32
        for expansion, out, repeats, stride in TABLE:
            for i in range(repeats):
                self.blocks.append(Inverted(channels, expansion, out, stride if i == 0 else 1))
                channels = out
        self.last = keras.layers.Conv2D(1280, 1, use_bias=False)
        self.head = keras.layers.Dense(10)

    def features(self, x, training, until=None):
        values, x = [], self.stem(x)
        for block in self.blocks[:until]:
            x = block(x, training=training)
            values.append(x)
        return x, [values[i] for i in POINTS]

    def call(self, inputs, training=None):
        x, values = self.features(inputs, training)
        output = self.head(ops.mean(ops.relu(self.last(x)), axis=(1, 2)))
        if self.way == "second pass":
            _, values = self.features(inputs, training, until=POINTS[-1] + 1)
        return output if self.way == "plain" else _named(output, values)


def _named(output, values):
    return {"output": output, **{f"blocks.{i}": v for i, v in zip(POINTS, values, strict=True)}}


def trainer(way):
    """A compiled model that returns the output and five tensors."""
    keras.utils.set_random_seed(0)
    model = MobileNet("plain" if way == "tapped" else way)
    model(np.zeros((1, SIZE, SIZE, 3), "float32"))
    if way == "tapped":
        model = Tapped(model, [f"blocks.{i}" for i in POINTS])
    mean_square = lambda _, value: 1e-4 * ops.mean(ops.square(value))  # noqa: E731
    loss = {f"blocks.{i}": mean_square for i in POINTS}
    classes = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss={"output": classes, **loss}, jit_compile=False)
    return model


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def report(work, ours, peer, name, limit):
    ratios = [a / b for a, b in zip(ours, peer, strict=True)]
    print(
        f"{work:34s} {1e3 * statistics.median(ours):9.3f} ms  {name:14s} "
        f"{statistics.median(ratios):.3f}x ({min(ratios):.3f}..{max(ratios):.3f} of "
        f"{len(ratios)} pairs)  limit {limit}"
    )


def training_step():
    rng = np.random.default_rng(0)
    x = rng.random((BATCH, SIZE, SIZE, 3)).astype("float32")
    y = {"output": rng.integers(0, 10, BATCH)}
    y.update({f"blocks.{i}": np.zeros(BATCH, "float32") for i in POINTS})
    ways = ("tapped", "by hand", "second pass")
    models = {way: trainer(way) for way in ways}
    for model in models.values():
        for _ in range(2):
            model.train_on_batch(x, y)
    times = {way: [] for way in ways}
    for pair in range(PAIRS):
        for way in ways if pair % 2 else reversed(ways):
            step = models[way].train_on_batch
            times[way].append(seconds(lambda step=step: [step(x, y) for _ in range(2)]) / 2)
    for other, limit in (("by hand", "1.05x"), ("second pass", "below 1x")):
        report("training step with 5 taps", times["tapped"], times[other], other, limit)


def idle():
    """A call of a small layer: before any scope was open, and after."""
    layer, x = keras.layers.Dense(4), ops.ones((2, 4))
    layer(x)
    loop = lambda: [layer(x) for _ in range(1000)]  # noqa: E731
    method = keras.layers.Layer.__call__
    before, after = [], []
    for _ in range(PAIRS):
        before.append(seconds(loop) / 1000)
        with capture(keras.Sequential([layer]), ()):
            pass
        with capture(keras.Sequential([keras.Input((4,)), layer]), layer.name):
            layer(x)
        after.append(seconds(loop) / 1000)
    assert keras.layers.Layer.__call__ is method
    report("layer call, no scope open", after, before, "never opened", "1x")


if __name__ == "__main__":
    idle()
    training_step()
