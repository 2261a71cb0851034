"""Whole sequences through the temporal layers, against what one would write or take instead.

    python -m benchmarks.temporal [volterra] [lags] [biquad]

TensorFlow graphs of unknown batch and length, in one process.
"""

import resource
from collections.abc import Callable, Sequence

import keras
import numpy as np
import scipy
import scipy.signal
import tensorflow as tf
from keras import ops

import lamina
from benchmarks._bench import Bench, need_tensorflow, parser_of, run
from benchmarks._pairs import timer

PAIRS = 31  # single pairs spread widely here, for Biquad from 0.5 to 1.7
RNG = np.random.default_rng(0)
Graph = Callable[[tf.Tensor], object]


def graph(function: Callable, features: int) -> Graph:
    """As a model would run it: batch and length are unknown to the graph."""
    return tf.function(function, input_signature=[tf.TensorSpec((None, None, features))])


def training(layer: keras.Layer, features: int, with_input: bool = False) -> Graph:
    """Outputs, loss and gradients, as one graph."""

    def step(x: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_mean(tf.square(layer(x)))
        weights = [w.value for w in layer.trainable_variables]
        return tape.gradient(loss, [*weights, x] if with_input else weights)

    return graph(step, features)


class Stacked(lamina.ThreePointDependency):
    """The article's formulation, repaired: pad, stack, einsum."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        n = ops.shape(inputs)[1]
        padded = ops.pad(inputs, [[0, 0], [2, 0], [0, 0]])
        stacked = ops.stack([padded[:, i : n + i] for i in range(3)], axis=2)
        return ops.relu(ops.einsum("btse,seu->btu", stacked, self.kernel) + self.bias)


class AllPairs(lamina.Volterra):
    """Every product of the window gathered, then one matrix product."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        n = ops.shape(inputs)[1]
        padded = ops.pad(inputs, [[0, 0], [self.memory - 1, 0], [0, 0]])
        places = self.memory - 1 + ops.arange(n)[:, None] - ops.arange(self.memory)
        window = self.memory * self.features
        z = ops.reshape(ops.take(padded, places, axis=1), (-1, window))
        first, second = np.triu_indices(window)
        pairs = ops.take(z, first, axis=1) * ops.take(z, second, axis=1)
        return ops.matmul(z, self.linear) + ops.matmul(pairs, self.quadratic) + self.bias


def built(layers: Sequence[keras.Layer], shape: tuple[int, ...]) -> Sequence[keras.Layer]:
    for layer in layers:
        layer.build(shape)
    return layers


def lags(bench: Bench) -> None:
    """Layers of lags: 64 features in, and 8."""
    batch, steps = (2, 64) if bench.quick else (32, 512)
    for features in (64, 8):
        x = tf.constant(RNG.standard_normal((batch, steps, features)), "float32")
        three_points(bench, x, units=64)
        far_lags(bench, x, units=64)


def three_points(bench: Bench, x: tf.Tensor, units: int) -> None:
    """`ThreePointDependency` beside Keras' convolution, and beside the article's formulation."""
    features = x.shape[2]
    convolution = keras.layers.Conv1D(units, 3, padding="causal", activation="relu")
    layers = [lamina.ThreePointDependency(units), convolution, Stacked(units)]
    ours, conv, stacked = built(layers, x.shape)
    work = f"ThreePointDependency {'x'.join(map(str, x.shape))} -> {units}"
    for part, peer, other, make, at_least in (
        ("forward", "keras Conv1D", conv, graph, 1 / 1.05),
        ("forward", "pad, stack, einsum", stacked, graph, 1.3),
        ("training", "keras Conv1D", conv, training, 1 / 1.05),
        ("training, input too", "pad, stack, einsum", stacked, training_with_input, 1.3),
    ):
        mine, theirs = make(ours, features), make(other, features)
        beside(bench, f"{work} {part}", mine, peer, theirs, x, at_least)


def training_with_input(layer: keras.Layer, features: int) -> Graph:
    return training(layer, features, with_input=True)


def far_lags(bench: Bench, x: tf.Tensor, units: int) -> None:
    """Lags far apart beside as many next to each other."""
    layers = built([lamina.LagDense(units, k) for k in ((0, 1, 7, 360), (0, 1, 2, 3))], x.shape)
    far, near = (graph(layer, x.shape[2]) for layer in layers)
    work = f"LagDense (0, 1, 7, 360) {'x'.join(map(str, x.shape))} -> {units} forward"
    beside(bench, work, far, "lags (0, 1, 2, 3)", near, x, 1 / 1.5)


def beside(
    bench: Bench, work: str, ours: Graph, peer: str, theirs: Graph, x: tf.Tensor, at_least: float
) -> None:
    """Both on the same input."""
    mine, other = timer(lambda: ours(x), 5), timer(lambda: theirs(x), 5)
    bench.compare(work, mine, peer, other, at_least)


def biquad(bench: Bench) -> None:
    """Beside SciPy, which filters in float64; poles at three distances from the circle."""
    bench.peers["scipy"] = scipy.__version__
    x = RNG.standard_normal((1, 1_000 if bench.quick else 100_000, 8))
    for radius in (0.994, 0.9998, 0.9999):
        biquad_of(bench, x, radius)


def biquad_of(bench: Bench, x: np.ndarray, radius: float) -> None:
    sos = np.array([[1, -0.5, 0.2, 1, -2 * radius * np.cos(0.3), radius**2]])
    (layer,) = built([lamina.Biquad(sos)], x.shape)
    ours, x32 = graph(layer, 8), tf.constant(x, "float32")
    want = scipy.signal.sosfilt(sos, x, axis=1)
    error = np.sqrt(np.mean((ours(x32) - want) ** 2) / np.mean(want**2))
    bench.compare(
        f"Biquad {x.shape[1]:,} x 8, radius {radius}, RMS error {error:.0e}",
        timer(lambda: ours(x32), 2),
        "scipy sosfilt",
        timer(lambda: scipy.signal.sosfilt(sos, x, axis=1), 2),
        at_least=1,
    )


def peak() -> float:
    """The most memory that this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def volterra(bench: Bench) -> None:
    """Its memory, how its time grows, and beside every pair gathered."""
    steps = 1_000 if bench.quick else 100_000
    x = tf.constant(RNG.standard_normal((1, steps, 4)), "float32")
    kinds = (lamina.Volterra, AllPairs)
    layers = built([kind(16, 8, quadratic_initializer="normal") for kind in kinds], x.shape)
    ours, pairs = (graph(layer, 4) for layer in layers)
    ours(x[:, :100])
    before = peak()
    ours(x)
    work = f"Volterra {steps:,} x 4 -> 16, memory 8"
    bench.amount(f"{work}: growth of the peak", peak() - before, "MiB")
    half = timer(lambda: ours(x[:, : steps // 2]))
    bench.compare(f"{work}, linear: 0.5", timer(lambda: ours(x)), "half the steps", half)
    gathered = timer(lambda: pairs(x))
    bench.compare(work, timer(lambda: ours(x)), "gather every pair", gathered, at_least=4)


# Volterra first: its memory is the peak of the process.
SECTIONS = {"volterra": volterra, "lags": lags, "biquad": biquad}


def main() -> None:
    options = parser_of(__doc__ or "", SECTIONS, pairs=PAIRS).parse_args()
    need_tensorflow()
    run("temporal", SECTIONS, options)


if __name__ == "__main__":
    main()
