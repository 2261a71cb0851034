"""Whole sequences through the temporal layers, against what one would write or take instead.

    python -m benchmarks.temporal            # KERAS_BACKEND=tensorflow

Pairs in turn in one process; the ratio is the median over 31 pairs, with its spread.
"""

import resource
import time

import keras
import numpy as np
import scipy.signal
import tensorflow as tf
from keras import ops

import lamina

PAIRS = 31
RNG = np.random.default_rng(0)


def seconds(run, repeats):
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - start) / repeats


def compare(work, ours, peer, peer_name, repeats=5, wanted=""):
    """One row of the table; `ours` and `peer` are called without arguments."""
    for run in (ours, peer):
        run(), run()
    times = np.array([(seconds(ours, repeats), seconds(peer, repeats)) for _ in range(PAIRS)])
    ratios = times[:, 0] / times[:, 1]
    print(
        f"{work:52} {1e3 * np.median(times[:, 0]):8.2f} ms  {peer_name:26} "
        f"{np.median(ratios):5.2f}x ({ratios.min():.2f}..{ratios.max():.2f})  {wanted}",
        flush=True,
    )


def graph(function, *shapes):
    return tf.function(function, input_signature=[tf.TensorSpec(s) for s in shapes])


def training(layer, features, with_input=False):
    """Outputs, loss and gradients, as one graph of unknown batch and time."""

    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_mean(tf.square(layer(x)))
        weights = [w.value for w in layer.trainable_variables]
        return tape.gradient(loss, [*weights, x] if with_input else weights)

    return graph(step, (None, None, features))


class Stacked(lamina.ThreePointDependency):
    """The article's formulation, repaired: pad, stack, einsum."""

    def call(self, inputs):
        n = ops.shape(inputs)[1]
        padded = ops.pad(inputs, [[0, 0], [2, 0], [0, 0]])
        stacked = ops.stack([padded[:, i : n + i] for i in range(3)], axis=2)
        return ops.relu(ops.einsum("btse,seu->btu", stacked, self.kernel) + self.bias)


class AllPairs(lamina.Volterra):
    """Every product of the window gathered, then one matrix product."""

    def call(self, inputs):
        n = ops.shape(inputs)[1]
        padded = ops.pad(inputs, [[0, 0], [self.memory - 1, 0], [0, 0]])
        places = self.memory - 1 + ops.arange(n)[:, None] - ops.arange(self.memory)
        window = self.memory * self.features
        z = ops.reshape(ops.take(padded, places, axis=1), (-1, window))
        first, second = np.triu_indices(window)
        pairs = ops.take(z, first, axis=1) * ops.take(z, second, axis=1)
        return ops.matmul(z, self.linear) + ops.matmul(pairs, self.quadratic) + self.bias


def lag_layers():
    # Each closure is called before the next one is made.
    # ruff: noqa: B023
    for batch, time_, features, units in ((32, 512, 64, 64), (32, 512, 8, 64)):
        size = f"{batch}x{time_}x{features} -> {units}"
        x = tf.constant(RNG.standard_normal((batch, time_, features)), "float32")
        layers = [
            lamina.ThreePointDependency(units),
            keras.layers.Conv1D(units, 3, padding="causal", activation="relu"),
            Stacked(units),
        ]
        for layer in layers:
            layer.build(x.shape)
        ours, conv, stacked = (graph(layer, (None, None, features)) for layer in layers)
        work = f"ThreePointDependency {size} forward"
        compare(work, lambda: ours(x), lambda: conv(x), "keras Conv1D", wanted="<= 1.05")
        compare(work, lambda: ours(x), lambda: stacked(x), "pad, stack, einsum", wanted="<= 0.77")
        ours, conv = (training(layer, features) for layer in layers[:2])
        work = f"ThreePointDependency {size} training"
        compare(work, lambda: ours(x), lambda: conv(x), "keras Conv1D", wanted="<= 1.05")
        ours, stacked = (training(layer, features, True) for layer in (layers[0], layers[2]))
        work += ", input too"
        compare(work, lambda: ours(x), lambda: stacked(x), "pad, stack, einsum", wanted="<= 0.77")
        lags = [lamina.LagDense(units, lags) for lags in ((0, 1, 7, 360), (0, 1, 2, 3))]
        for layer in lags:
            layer.build(x.shape)
        ours, near = (graph(layer, (None, None, features)) for layer in lags)
        work = f"LagDense (0, 1, 7, 360) {size} forward"
        compare(work, lambda: ours(x), lambda: near(x), "lags (0, 1, 2, 3)", wanted="<= 1.5")


def biquad():
    x = RNG.standard_normal((1, 100_000, 8))
    x32 = tf.constant(x, "float32")
    for radius in (0.994, 0.9998, 0.9999):
        sos = np.array([[1, -0.5, 0.2, 1, -2 * radius * np.cos(0.3), radius**2]])
        layer = lamina.Biquad(sos)
        layer.build(x.shape)
        ours = graph(layer, (None, None, 8))
        want = scipy.signal.sosfilt(sos, x, axis=1)
        error = np.sqrt(np.mean((ours(x32) - want) ** 2) / np.mean(want**2))
        compare(
            f"Biquad 100,000 x 8, radius {radius}, RMS error {error:.0e}",
            lambda ours=ours: ours(x32),
            lambda sos=sos: scipy.signal.sosfilt(sos, x, axis=1),
            "scipy sosfilt",
            repeats=2,
            wanted="<= 1",
        )


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def volterra():
    shape = (1, 100_000, 4)
    x = tf.constant(RNG.standard_normal(shape), "float32")
    layer, pairs = (
        kind(16, 8, quadratic_initializer="normal") for kind in (lamina.Volterra, AllPairs)
    )
    for each in (layer, pairs):
        each.build(shape)
    ours, peer = (graph(each, (None, None, 4)) for each in (layer, pairs))
    ours(x[:, :100])
    before = peak()
    ours(x)
    print(f"Volterra 100,000 x 4 -> 16, memory 8: {peak() - before:.0f} MB more at its peak")
    compare(
        "Volterra 100,000 x 4 -> 16, memory 8",
        lambda: ours(x),
        lambda: ours(x[:, :50_000]),
        "half the steps",
        repeats=1,
        wanted="about 2",
    )
    compare(
        "Volterra 100,000 x 4 -> 16, memory 8",
        lambda: ours(x),
        lambda: peer(x),
        "gather every pair",
        repeats=1,
        wanted="<= 0.25",
    )


if __name__ == "__main__":
    print(f"TensorFlow {tf.__version__}, Keras {keras.__version__}, graphs of unknown length")
    volterra()  # first: its memory is the peak of the process
    lag_layers()
    biquad()
