"""How fast the codec layers are, against the bare operation, the naive form and the peer.

    KERAS_BACKEND=tensorflow python -m benchmarks.codec [--keep] [SECTION ...]

Pairs in turn in one process; the median of the ratios, and their spread. Another runtime is a
process of its own that waits its turn.

glibc hands large blocks back to the system when they are freed, and gets them anew as pages that
the system first fills with zeros: with values of 16 MiB or more that can be nine tenths of what is
measured, for ours and the peer alike. `--keep` measures both without that: they keep their memory.
"""

import os
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
# For glibc.
KEEP = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
}
RNG = np.random.default_rng(0)

EMBEDDING_BAG = """
import sys, time, numpy as np, torch
torch.set_num_threads(1)
n, q, k, d = map(int, sys.argv[1:])
rng = np.random.default_rng(0)
bag = torch.nn.EmbeddingBag(q * k, d, mode="sum")
codes = torch.from_numpy(rng.integers(0, k, (n, q)).astype("int32"))
offsets = torch.arange(q, dtype=torch.int32) * k
for line in sys.stdin:
    with torch.no_grad():
        start = time.perf_counter()
        for _ in range(int(line)):
            bag(codes + offsets)
        print((time.perf_counter() - start) / int(line), flush=True)
"""


def seconds(run, repeat=3):
    start = time.perf_counter()
    for _ in range(repeat):
        run()
    return (time.perf_counter() - start) / repeat


def against(work, ours, theirs, limit, faster=True):
    """Print ours and theirs in turn; the ratio is how many times ours is faster, or slower."""
    compare(work, lambda: seconds(ours), lambda: seconds(theirs), limit, faster)


def compare(work, ours, theirs, limit, faster=True):
    """`against` for functions that give their seconds."""
    for run in (ours, theirs, ours, theirs):
        run()
    pairs = [(ours(), theirs()) for _ in range(PAIRS)]
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
    layer = lamina.CodebookDecoder(table)
    weights = tf.Variable(table)

    def gather(c):
        return tf.gather(weights, tf.cast(c, tf.int32))

    def hot(c):
        return tf.matmul(tf.one_hot(tf.cast(c, tf.int32), 256), weights)

    for rows in (32, 64):
        for dtype in ("int32", "uint8"):
            codes = RNG.integers(0, 256, (rows, 2048)).astype(dtype)
            ours = graph(layer, codes)
            name = f"CodebookDecoder [256, 64], {dtype} {rows} x 2048"
            against(f"{name} / tf.gather", ours, graph(gather, codes), "at most 1.2x", faster=False)
            bare = predicted(
                keras.layers.Lambda(
                    lambda c: tf.gather(table, tf.cast(c, tf.int32)), output_shape=(2048, 64)
                ),
                codes,
            )
            against(
                "  predict / tf.gather", predicted(layer, codes), bare, "at most 1.2x", faster=False
            )
            against(f"{name} / one-hot", ours, graph(hot, codes), "at least 8x")


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
    for n in (32768, 98304):
        for entries in (256, 1024):
            one_thread_of(n, 8, entries, 64)


def one_thread_of(n, stages, entries, width):
    tables = RNG.standard_normal((stages, entries, width)).astype("float32")
    codes = RNG.integers(0, entries, (n, stages)).astype("int32")
    ours = graph(lamina.ResidualDecoder(tables), codes)
    command = [sys.executable, "-c", EMBEDDING_BAG, *map(str, (n, stages, entries, width))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:

        def peer():
            other.stdin.write("3\n")
            other.stdin.flush()
            return float(other.stdout.readline())

        compare(
            f"ResidualDecoder {stages}x{entries}x{width}, {n} / EmbeddingBag, 1 thread",
            lambda: seconds(ours),
            peer,
            "at most 0.8x",
            faster=False,
        )
        other.stdin.close()


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


def dense():
    tables = RNG.standard_normal((8, 256, 8)).astype("float32")
    limits = {8: "at least 8x", 32: "at least 5x", 128: "at least 2.5x"}
    for n, units in (
        *((n, units) for n in (32768, 65536, 131072) for units in (8, 32, 128)),
        *((32768, units) for units in (256, 512, 1024)),
        *((n, 32) for n in (1, 32, 256, 2048)),
    ):
        limit = limits.get(units) if n >= 32768 else None
        dense_of(n, units, tables, limit or "never below 1x", trains=n == 32768 and limit)


def dense_of(n, units, tables, limit, trains):
    codes = RNG.integers(0, 256, (n, 8)).astype("uint8")
    layer = lamina.CodebookDense(units, lamina.ProductDecoder(tables), activation="relu")
    layer(codes)
    kernel, bias, flat = layer.kernel, layer.bias, tf.Variable(tables.reshape(-1, 8))
    offsets = np.arange(8, dtype="int32") * 256

    def naive(c):
        vectors = tf.reshape(tf.gather(flat, tf.cast(c, tf.int32) + offsets), (-1, 64))
        return tf.nn.relu(tf.matmul(vectors, kernel) + bias)

    against(
        f"CodebookDense 8 x 8 -> {units}, {n} / decode + Dense",
        graph(layer, codes),
        graph(naive, codes),
        limit,
    )
    if not trains:
        return

    def step(function):
        def run(c):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(function(c)))
            return tape.gradient(loss, [kernel.value, bias.value])[0]

        return run

    against(
        "  training step / decode + Dense",
        graph(step(lambda c: layer(c, training=True)), codes),
        graph(step(naive), codes),
        "at most 1.1x",
        faster=False,
    )


def memory():
    """Peak growth while much is decoded; a one-hot would take what is said."""
    table = RNG.standard_normal((256, 64)).astype("float32")
    stages = RNG.standard_normal((8, 1024, 64)).astype("float32")
    parts = RNG.standard_normal((8, 256, 8)).astype("float32")
    n = 1 << 18
    for name, layer, entries, values, hot in (
        ("CodebookDecoder [256, 64]", lamina.CodebookDecoder(table), (256, ()), 64, 256),
        ("ResidualDecoder 8 x 1024 x 64", lamina.ResidualDecoder(stages), (1024, (8,)), 64, 8192),
        (
            "CodebookDense 8 x 8 -> 32",
            lamina.CodebookDense(32, lamina.ProductDecoder(parts)),
            (256, (8,)),
            32,
            2048,
        ),
    ):
        size, shape = entries
        codes = RNG.integers(0, size, (1, n, *shape)).astype("int32")
        graph(layer, codes[:, : n // 64])()
        run = graph(layer, codes)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        run()
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(
            f"{name}, {values * n >> 18} MiB of values: peak grew by {grown:.0f} MiB; "
            f"a one-hot alone: {hot * n >> 18} MiB"
        )


def main(names):
    sections = {
        "memory": memory,
        "codebook": codebook,
        "residual": residual,
        "bits": bits,
        "dense": dense,
    }
    if "--keep" in names:
        names.remove("--keep")
        command = [sys.executable, "-m", "benchmarks.codec", *names]
        os.execve(sys.executable, command, {**os.environ, **KEEP})
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
