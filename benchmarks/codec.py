"""How fast the codec layers are, against the bare operation, the naive form and the peer.

    python -m benchmarks.codec [memory] [codebook] [residual] [bits] [dense] [one_thread] [--keep]

glibc hands large blocks back to the system when they are freed, and gets them again as pages that
the system first fills with zeros: with values of 16 MiB or more that can be nine tenths of what is
measured, for ours and the peer alike. `--keep` measures both without that: they keep their memory.
"""

import os
import resource
import sys
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

import lamina
from benchmarks._bench import Bench, Row, need_tensorflow, parser_of, run
from benchmarks._pairs import timer

# For glibc.
KEEP = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
}
RNG = np.random.default_rng(0)
Call = Callable[[], object]


def beside(
    bench: Bench, work: str, ours: Call, peer: str, theirs: Call, at_least: float | None
) -> None:
    """A row of pairs, each the mean of three calls."""
    bench.compare(work, timer(ours, 3), peer, timer(theirs, 3), at_least)


def graph(function: Callable, *inputs: np.ndarray) -> Call:
    """A plain `tf.function` of `function`, ready to be called without arguments."""
    compiled = tf.function(function, autograph=False)
    tensors = [tf.constant(x) for x in inputs]
    return lambda: compiled(*tensors)


def predicted(layer: keras.Layer, codes: np.ndarray) -> Call:
    """Through `predict` of a model that is not compiled as a whole."""
    inputs = keras.Input(codes.shape[1:], dtype=codes.dtype.name)
    model = keras.Model(inputs, layer(inputs))
    model.compile(jit_compile=False)
    data = tf.data.Dataset.from_tensors(codes).repeat(1)
    return lambda: model.predict(data, verbose=0)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype("float32")


def codebook(bench: Bench) -> None:
    """`CodebookDecoder` beside a bare gather and beside a product with one-hot codes."""
    table, length = normal(256, 64), 64 if bench.quick else 2048
    for rows in (2,) if bench.quick else (32, 64):
        for dtype in ("int32", "uint8"):
            codebook_of(bench, table, RNG.integers(0, 256, (rows, length)).astype(dtype))


def codebook_of(bench: Bench, table: np.ndarray, codes: np.ndarray) -> None:
    layer, weights = lamina.CodebookDecoder(table), tf.Variable(table)

    def gather(c: tf.Tensor) -> tf.Tensor:
        return tf.gather(weights, tf.cast(c, tf.int32))

    def one_hot(c: tf.Tensor) -> tf.Tensor:
        return tf.matmul(tf.one_hot(tf.cast(c, tf.int32), 256), weights)

    rows, length = codes.shape
    name = f"CodebookDecoder [256, 64], {codes.dtype} {rows} x {length}"
    ours = graph(layer, codes)
    beside(bench, name, ours, "tf.gather", graph(gather, codes), 1 / 1.2)
    bare = keras.layers.Lambda(
        lambda c: tf.gather(table, tf.cast(c, tf.int32)), output_shape=(length, 64)
    )
    in_predict, theirs = predicted(layer, codes), predicted(bare, codes)
    beside(bench, f"{name}, predict", in_predict, "tf.gather", theirs, 1 / 1.2)
    beside(bench, name, ours, "one-hot", graph(one_hot, codes), 8)


def residual(bench: Bench) -> None:
    """`ResidualDecoder` beside a gather and a sum."""
    n, stages, entries, width = (64, 2, 16, 8) if bench.quick else (32768, 8, 1024, 64)
    tables = normal(stages, entries, width)
    codes = RNG.integers(0, entries, (n, stages)).astype("int32")
    layer = lamina.ResidualDecoder(tables)
    flat = tf.Variable(tables.reshape(-1, width))
    offsets = np.arange(stages, dtype="int32") * entries

    def naive(c: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.gather(flat, c + offsets), axis=1)

    name = f"ResidualDecoder {stages} x {entries} x {width}, {n}"
    beside(bench, name, graph(layer, codes), "gather + sum", graph(naive, codes), 5)
    naive_layer = keras.layers.Lambda(naive, output_shape=(width,))
    ours, theirs = predicted(layer, codes), predicted(naive_layer, codes)
    beside(bench, f"{name}, predict", ours, "gather + sum", theirs, 5)


def one_thread(bench: Bench) -> None:
    """`ResidualDecoder` beside torch's `EmbeddingBag`, each in a process with one thread."""
    sizes = [(n, 8, entries, 64) for n in (32768, 98304) for entries in (256, 1024)]
    for size in [(64, 2, 16, 8)] if bench.quick else sizes:
        n, *table = size
        name = f"ResidualDecoder {' x '.join(map(str, table))}, {n}, 1 thread"
        with (
            bench.remote("residual_decoder", *size, other_python=False) as ours,
            bench.remote("embedding_bag", *size) as peer,
        ):
            if peer.missing:
                bench.add(Row(name, None, "EmbeddingBag", note=peer.missing))
            else:
                mine, theirs = ours.timer("decode", 3), peer.timer("decode", 3)
                bench.compare(name, mine, "EmbeddingBag", theirs, at_least=1.25)


def numpy_12(data: np.ndarray, order: str) -> np.ndarray:
    """The int32 formula that one would write in NumPy."""
    b = data.astype("int32")
    b0, b1, b2 = b[..., 0], b[..., 1], b[..., 2]
    if order == "212":
        s = np.stack([b0 + ((b1 & 15) << 8), b2 + ((b1 >> 4) << 8)], -1)
    else:
        s = np.stack([b0 + ((b1 & 15) << 8), (b1 >> 4) + (b2 << 4)], -1)
    return np.where(s > 2047, s - 4096, s).astype("float32")


def bits(bench: Bench) -> None:
    """12-bit samples beside NumPy's formula, and beside one pass over the output."""
    data = RNG.integers(0, 256, (1, 64 if bench.quick else 1 << 19, 3), "uint8")
    decoders = {
        ("PackedSampleDecoder 212", "212"): lamina.PackedSampleDecoder(212, 1),
        ("BitUnpack 12", "12"): lamina.BitUnpack(12, 2, signed=True),
    }
    for (name, order), layer in decoders.items():
        bits_of(bench, name, order, layer, data)


def bits_of(bench: Bench, name: str, order: str, layer: keras.Layer, data: np.ndarray) -> None:
    samples = 2 * data.shape[1]
    name = f"{name}, {samples} samples"
    ours, tensor = graph(layer, data), tf.constant(data)
    negative = graph(tf.negative, normal(1, samples, 1))
    unknown = tf.function(
        layer, input_signature=[tf.TensorSpec((None, None, 3), tf.uint8)], autograph=False
    )
    beside(bench, name, ours, "NumPy", lambda: numpy_12(data, order), 4)
    beside(bench, name, ours, "tf.negative", negative, 0.5)
    beside(bench, f"{name}, length unknown", lambda: unknown(tensor), "tf.negative", negative, 0.5)


def dense(bench: Bench) -> None:
    """`CodebookDense` beside decoding and `Dense`, from one vector to many, and its training."""
    tables = normal(8, 256, 8)
    limits = {8: 8, 32: 5, 128: 2.5}  # for many vectors; never slower elsewhere
    sizes = [
        *((n, units) for n in (32768, 65536, 131072) for units in limits),
        *((32768, units) for units in (256, 512, 1024)),
        *((n, 32) for n in (1, 32, 256, 2048)),
    ]
    for n, units in [(32, 8)] if bench.quick else sizes:
        limit = limits.get(units, 1) if n >= 32768 else 1
        trains = bench.quick or (n == 32768 and units in limits)
        dense_of(bench, n, units, tables, limit, trains)


def dense_of(
    bench: Bench, n: int, units: int, tables: np.ndarray, at_least: float, trains: bool
) -> None:
    codes = RNG.integers(0, 256, (n, 8)).astype("uint8")
    layer = lamina.CodebookDense(units, lamina.ProductDecoder(tables), activation="relu")
    layer(codes)
    kernel, bias, flat = layer.kernel, layer.bias, tf.Variable(tables.reshape(-1, 8))
    offsets = np.arange(8, dtype="int32") * 256

    def naive(c: tf.Tensor) -> tf.Tensor:
        vectors = tf.reshape(tf.gather(flat, tf.cast(c, tf.int32) + offsets), (-1, 64))
        return tf.nn.relu(tf.matmul(vectors, kernel) + bias)

    def step(function: Callable) -> Call:
        def loss_gradient(c: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(function(c)))
            return tape.gradient(loss, [kernel.value, bias.value])[0]

        return graph(loss_gradient, codes)

    name, peer = f"CodebookDense 8 x 8 -> {units}, {n}", "decode + Dense"
    beside(bench, name, graph(layer, codes), peer, graph(naive, codes), at_least)
    if trains:
        ours = step(lambda c: layer(c, training=True))
        beside(bench, f"{name}, training step", ours, peer, step(naive), 1 / 1.1)


def memory(bench: Bench) -> None:
    """Growth of the peak while much is decoded, beside the size of a one-hot alone."""
    tables, stages, parts = normal(256, 64), normal(8, 1024, 64), normal(8, 256, 8)
    product = lamina.CodebookDense(32, lamina.ProductDecoder(parts))
    n = 1 << (10 if bench.quick else 18)
    for name, layer, entries, shape, values in (
        ("CodebookDecoder [256, 64]", lamina.CodebookDecoder(tables), 256, (), 64),
        ("ResidualDecoder 8 x 1024 x 64", lamina.ResidualDecoder(stages), 1024, (8,), 64),
        ("CodebookDense 8 x 8 -> 32", product, 256, (8,), 32),
    ):
        codes = RNG.integers(0, entries, (1, n, *shape)).astype("int32")
        graph(layer, codes[:, : n // 64])()
        work = f"{name}: growth of the peak for {_mebibytes(values * n):.0f} MiB of values"
        one_hot = _mebibytes(entries * int(np.prod(shape)) * n)
        bench.amount(work, grown_by(graph(layer, codes)), "MiB", "one-hot alone", one_hot)


def _mebibytes(floats: int) -> float:
    return 4 * floats / 2**20


def grown_by(call: Call) -> float:
    """MiB by which a call raises the peak of this process."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    call()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


# Memory first: what came before would have raised the peak already.
SECTIONS = {
    "memory": memory,
    "codebook": codebook,
    "residual": residual,
    "bits": bits,
    "dense": dense,
    "one_thread": one_thread,
}


def main() -> None:
    parser = parser_of(__doc__ or "", SECTIONS)
    parser.add_argument("--keep", action="store_true", help="freed memory stays in the process")
    options = parser.parse_args()
    need_tensorflow()
    if options.keep and not KEEP.items() <= os.environ.items():
        # glibc reads its settings once, when a process starts.
        command = [sys.executable, "-m", "benchmarks.codec", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **KEEP})
    run("codec-keep" if options.keep else "codec", SECTIONS, options)


if __name__ == "__main__":
    main()
