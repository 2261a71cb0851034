"""How fast the codec layers are, against the bare operation, the naive form and the peer.

    KERAS_BACKEND=tensorflow python -m benchmarks.codec

Pairs in turn in one process; the median of the ratios, and their spread.
"""

import resource
import statistics
import subprocess
import sys
import time

import keras
import numpy as np
import tensorflow as tf

import lamina

PAIRS = 9
RNG = np.random.default_rng(0)

EMBEDDING_BAG = """
import sys, time, statistics, numpy as np, torch
torch.set_num_threads(1)
n, q, k, d = map(int, sys.argv[1:])
rng = np.random.default_rng(0)
bag = torch.nn.EmbeddingBag(q * k, d, mode="sum")
codes = torch.from_numpy(rng.integers(0, k, (n, q)).astype("int32"))
offsets = torch.arange(q, dtype=torch.int32) * k
times = []
with torch.no_grad():
    for _ in range(30):
        start = time.perf_counter(); bag(codes + offsets); times.append(time.perf_counter() - start)
print(statistics.median(times))
"""


def seconds(run, repeat=3):
    start = time.perf_counter()
    for _ in range(repeat):
        run()
    return (time.perf_counter() - start) / repeat


def against(work, ours, theirs, limit, faster=True):
    """Print ours and theirs in turn; the ratio is how many times ours is faster, or slower."""
    for run in (ours, theirs, ours, theirs):
        run()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(PAIRS)]
    ratios = [b / a if faster else a / b for a, b in pairs]
    mine, peer = (statistics.median(x) * 1e3 for x in zip(*pairs, strict=True))
    print(
        f"{work:58s} {mine:8.2f} ms {peer:8.2f} ms   {statistics.median(ratios):5.2f}x "
        f"({min(ratios):.2f}..{max(ratios):.2f})   {limit}",
        flush=True,
    )


def graph(function, *inputs):
    """A plain `tf.function` of `function`, ready to be called without arguments."""
    compiled = tf.function(function, autograph=False)
    tensors = [tf.constant(x) for x in inputs]
    return lambda: compiled(*tensors)


def predicted(layer, codes):
    """Through `predict` of a model that is not compiled as a whole."""
    inputs = keras.Input(codes.shape[1:], dtype=codes.dtype.name)
    model = keras.Model(inputs, layer(inputs))
    model.compile(jit_compile=False)
    data = tf.data.Dataset.from_tensors(codes).repeat(1)
    return lambda: model.predict(data, verbose=0)


def codebook():
    table = RNG.standard_normal((256, 64)).astype("float32")
    for dtype in ("int32", "uint8"):
        codes = RNG.integers(0, 256, (64, 2048)).astype(dtype)
        layer = lamina.CodebookDecoder(table)
        weights = tf.Variable(table)
        ours = graph(layer, codes)
        bare = graph(lambda c, w=weights: tf.gather(w, tf.cast(c, tf.int32)), codes)
        hot = graph(lambda c, w=weights: tf.matmul(tf.one_hot(tf.cast(c, tf.int32), 256), w), codes)
        name = f"CodebookDecoder [256, 64], {dtype} 64 x 2048"
        against(f"{name} / tf.gather", ours, bare, "at most 1.2x", faster=False)
        against(f"{name} / one-hot", ours, hot, "at least 8x")
        gather = predicted(
            keras.layers.Lambda(
                lambda c, w=table: tf.gather(w, tf.cast(c, tf.int32)), output_shape=(2048, 64)
            ),
            codes,
        )
        against(
            "  predict / tf.gather", predicted(layer, codes), gather, "at most 1.2x", faster=False
        )


def residual(n=32768, stages=8, entries=1024, width=64):
    tables = RNG.standard_normal((stages, entries, width)).astype("float32")
    codes = RNG.integers(0, entries, (n, stages)).astype("int32")
    layer = lamina.ResidualDecoder(tables)
    flat = tf.Variable(tables.reshape(-1, width))
    offsets = np.arange(stages, dtype="int32") * entries

    def naive(c):
        return tf.reduce_sum(tf.gather(flat, c + offsets), axis=1)

    ours = graph(layer, codes)
    name = f"ResidualDecoder {stages} x {entries} x {width}, {n}"
    against(f"{name} / gather + sum", ours, graph(naive, codes), "at least 5x")
    lambda_layer = keras.layers.Lambda(naive, output_shape=(width,))
    against(
        "  predict / gather + sum",
        predicted(layer, codes),
        predicted(lambda_layer, codes),
        "at least 5x",
    )


def one_thread():
    """Only in a process of its own: both sides on one thread."""
    for entries in (256, 1024):
        one_thread_of(32768, 8, entries, 64)


def one_thread_of(n, stages, entries, width):
    tables = RNG.standard_normal((stages, entries, width)).astype("float32")
    codes = RNG.integers(0, entries, (n, stages)).astype("int32")
    ours = graph(lamina.ResidualDecoder(tables), codes)
    for _ in range(5):
        ours()
    mine = statistics.median(seconds(ours, 1) for _ in range(30))
    peers = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", EMBEDDING_BAG, *map(str, (n, stages, entries, width))],
            capture_output=True,
            text=True,
            check=True,
        )
        peers.append(float(done.stdout))
    ratios = [mine / peer for peer in peers]
    print(
        f"{f'ResidualDecoder {stages}x{entries}x{width}, {n} / EmbeddingBag, 1 thread':58s}"
        f" {mine * 1e3:8.2f} ms {statistics.median(peers) * 1e3:8.2f} ms   "
        f"{statistics.median(ratios):5.2f}x ({min(ratios):.2f}..{max(ratios):.2f})   at most 0.8x"
    )


def numpy_12(data, order):
    """The int32 formula that one would write in NumPy."""
    b = data.astype("int32")
    b0, b1, b2 = b[..., 0], b[..., 1], b[..., 2]
    if order == "212":
        s = np.stack([b0 + ((b1 & 15) << 8), b2 + ((b1 >> 4) << 8)], -1)
    else:
        s = np.stack([b0 + ((b1 & 15) << 8), (b1 >> 4) + (b2 << 4)], -1)
    return np.where(s > 2047, s - 4096, s).astype("float32")


def bits(frames=1 << 19):
    data = RNG.integers(0, 256, (1, frames, 3), "uint8")
    samples = RNG.standard_normal((1, frames * 2, 1)).astype("float32")
    negative = graph(tf.negative, samples)
    for name, layer, order in (
        ("PackedSampleDecoder 212", lamina.PackedSampleDecoder(212, 1), "212"),
        ("BitUnpack 12", lamina.BitUnpack(12, 2, signed=True), "12"),
    ):
        ours = graph(layer, data)
        against(
            f"{name}, {2 * frames} samples / NumPy",
            ours,
            lambda o=order: numpy_12(data, o),
            "at least 4x",
        )
        against(
            f"{name}, {2 * frames} samples / tf.negative",
            ours,
            negative,
            "at most 2x",
            faster=False,
        )
        unknown = tf.function(
            layer, input_signature=[tf.TensorSpec((None, None, 3), tf.uint8)], autograph=False
        )
        tensor = tf.constant(data)
        against(
            "  length unknown to the graph / tf.negative",
            lambda u=unknown, t=tensor: u(t),
            negative,
            "at most 2x",
            faster=False,
        )


def dense(n=32768):
    tables = RNG.standard_normal((8, 256, 8)).astype("float32")
    codes = RNG.integers(0, 256, (n, 8)).astype("uint8")
    for units, limit in (
        (8, "at least 8x"),
        (32, "at least 5x"),
        (128, "at least 2.5x"),
        (256, "never below 1x"),
        (512, "never below 1x"),
        (1024, "never below 1x"),
    ):
        decoder = lamina.ProductDecoder(tables)
        layer = lamina.CodebookDense(units, decoder, activation="relu")
        layer(codes)
        kernel, bias, flat = layer.kernel, layer.bias, tf.Variable(tables.reshape(-1, 8))
        offsets = np.arange(8, dtype="int32") * 256

        def naive(c, kernel=kernel, bias=bias, flat=flat, offsets=offsets):
            vectors = tf.reshape(tf.gather(flat, tf.cast(c, tf.int32) + offsets), (-1, 64))
            return tf.nn.relu(tf.matmul(vectors, kernel) + bias)

        against(
            f"CodebookDense 8 x 8 -> {units}, {n} / decode + Dense",
            graph(layer, codes),
            graph(naive, codes),
            limit,
        )

        def step(function, kernel=kernel, bias=bias):
            def run(c):
                with tf.GradientTape() as tape:
                    loss = tf.reduce_mean(tf.square(function(c)))
                return tape.gradient(loss, [kernel.value, bias.value])[0]

            return run

        if units <= 128:
            against(
                "  training step / decode + Dense",
                graph(step(lambda c, layer=layer: layer(c, training=True)), codes),
                graph(step(naive), codes),
                "at most 1.1x",
                faster=False,
            )
    for count in (1, 32, 256, 2048):
        layer = lamina.CodebookDense(32, lamina.ProductDecoder(tables), activation="relu")
        few = codes[:count]
        layer(few)
        kernel, bias = layer.kernel, layer.bias

        def plain(c, kernel=kernel, bias=bias, flat=flat, offsets=offsets):
            vectors = tf.reshape(tf.gather(flat, tf.cast(c, tf.int32) + offsets), (-1, 64))
            return tf.nn.relu(tf.matmul(vectors, kernel) + bias)

        against(
            f"CodebookDense 8 x 8 -> 32, {count} / decode + Dense",
            graph(layer, few),
            graph(plain, few),
            "never below 1x",
        )


def memory():
    """Peak growth while 64 MiB of values are decoded; a one-hot would take 256 MiB more."""
    layer = lamina.CodebookDecoder(RNG.standard_normal((256, 64)).astype("float32"))
    codes = RNG.integers(0, 256, (1, 1 << 18)).astype("uint8")
    graph(layer, codes[:, :8])()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    graph(layer, codes)()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"CodebookDecoder [256, 64], 64 MiB of values: peak grew by {grown:.0f} MiB")


def main(names):
    sections = {
        "memory": memory,
        "codebook": codebook,
        "residual": residual,
        "bits": bits,
        "dense": dense,
    }
    if names == ["one_thread"]:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        one_thread()
        return
    for name in names or sections:
        sections[name]()
    if not names:
        subprocess.run([sys.executable, "-m", "benchmarks.codec", "one_thread"], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
