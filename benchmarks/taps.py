"""Taps: what a training step with five of them costs.

    python -m benchmarks.taps [idle] [training]

A subclassed MobileNetV2 (alpha 1, 96 x 96, batch 8), TensorFlow compiled without XLA, five block
outputs in the loss: the mean of the squares of each is added to the model's own loss. In one
process:

- ours: `lamina.Tapped(model, five paths)`;
- by hand: the same model, changed to return the five tensors itself;
- second pass: what users write today: the unchanged model gives the output, and the layers up to
  the fifth point are run once more, by hand, for the features.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from benchmarks._bench import Bench, need_tensorflow, parser_of, run
from benchmarks._pairs import timer
from lamina import Tapped, capture

Tensor = Any
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
BATCH, SIZE = 8, 96


class Inverted(keras.layers.Layer):
    """The inverted residual block."""

    def __init__(self, channels: int, expansion: int, out: int, stride: int) -> None:
        super().__init__()
        self.residual = stride == 1 and channels == out
        conv, norm = keras.layers.Conv2D, keras.layers.BatchNormalization
        relu6 = lambda: keras.layers.ReLU(6.0)  # noqa: E731
        depthwise = keras.layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)
        expand = [conv(channels * expansion, 1, use_bias=False), norm(), relu6()]
        project = [depthwise, norm(), relu6(), conv(out, 1, use_bias=False), norm()]
        self.steps = [*(expand if expansion > 1 else []), *project]

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        y = x
        for step in self.steps:
            y = step(y, training=training)
        return x + y if self.residual else y


class MobileNet(keras.Model):
    """MobileNetV2 as a subclass, with three ways to the features."""

    def __init__(self, way: str = "plain") -> None:
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

    def features(
        self, x: Tensor, training: bool | None, until: int | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """The last block's output, and the five."""
        values, x = [], self.stem(x)
        for block in self.blocks[:until]:
            x = block(x, training=training)
            values.append(x)
        return x, [values[i] for i in POINTS]

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor | dict[str, Tensor]:
        x, values = self.features(inputs, training)
        output = self.head(ops.mean(ops.relu(self.last(x)), axis=(1, 2)))
        if self.way == "second pass":
            _, values = self.features(inputs, training, until=POINTS[-1] + 1)
        return output if self.way == "plain" else _named(output, values)


def _named(output: Tensor, values: list[Tensor]) -> dict[str, Tensor]:
    return {"output": output, **{f"blocks.{i}": v for i, v in zip(POINTS, values, strict=True)}}


def trainer(way: str, size: int) -> keras.Model:
    """A compiled model that returns the output and five tensors."""
    keras.utils.set_random_seed(0)
    model = MobileNet("plain" if way == "tapped" else way)
    model(np.zeros((1, size, size, 3), "float32"))
    if way == "tapped":
        model = Tapped(model, [f"blocks.{i}" for i in POINTS])
    mean_square = lambda _, value: 1e-4 * ops.mean(ops.square(value))  # noqa: E731
    loss = {f"blocks.{i}": mean_square for i in POINTS}
    classes = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss={"output": classes, **loss}, jit_compile=False)
    return model


def step_of(way: str, batch: int, size: int) -> Callable[[], object]:
    """A training step on random images, ready to be called."""
    model, rng = trainer(way, size), np.random.default_rng(0)
    x = rng.random((batch, size, size, 3)).astype("float32")
    y = {"output": rng.integers(0, 10, batch)}
    y.update({f"blocks.{i}": np.zeros(batch, "float32") for i in POINTS})
    return lambda: model.train_on_batch(x, y)


def training(bench: Bench) -> None:
    """A training step beside the two other ways to the same tensors."""
    batch, size = (2, 32) if bench.quick else (BATCH, SIZE)
    tapped = timer(step_of("tapped", batch, size), 2)
    for way, at_least in (("by hand", 1 / 1.05), ("second pass", 1)):
        other = timer(step_of(way, batch, size), 2)
        bench.compare("training step with 5 taps", tapped, way, other, at_least)


def idle(bench: Bench) -> None:
    """A call of a small layer right after scopes were open, beside one with none opened."""
    calls = 10 if bench.quick else 1000
    layer, x = keras.layers.Dense(4), ops.ones((2, 4))
    layer(x)
    loop = timer(lambda: layer(x), calls)
    method = keras.layers.Layer.__call__

    def after_scopes() -> float:
        with capture(keras.Sequential([layer]), ()):
            pass
        with capture(keras.Sequential([keras.Input((4,)), layer]), layer.name):
            layer(x)
        return loop()

    bench.compare("layer call, no scope open", after_scopes, "none opened before", loop, 1 / 1.05)
    assert keras.layers.Layer.__call__ is method


SECTIONS = {"idle": idle, "training": training}


def main() -> None:
    options = parser_of(__doc__ or "", SECTIONS).parse_args()
    need_tensorflow()
    run("taps", SECTIONS, options)


if __name__ == "__main__":
    main()
