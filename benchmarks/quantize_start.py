"""What the k-means start of a quantizer costs, and what it gives.

    KERAS_BACKEND=tensorflow python -m benchmarks.quantize_start [--codes 8192] [--steps 64]

CPU seconds of the process for that many training steps on batches of 2,048 normal vectors of 64
numbers, with the start and without one (`start="uniform"`), and the distortion on unseen vectors.
Compilation is not counted.
"""

import time

import keras
import numpy as np
import tensorflow as tf

import lamina
from benchmarks._bench import Bench, need_tensorflow, parser_of, run

FEATURES, BATCH = 64, 2048


def trained(codes: int, steps: int, start: str) -> tuple[list[float], float]:
    """(CPU seconds of each step, mean squared error of a number)."""
    layer = lamina.VectorQuantizer(codes, seed=1, start=start)
    layer.build((None, FEATURES))
    step = tf.function(lambda x: layer(x, training=True))
    rng = np.random.default_rng(1)

    def batch() -> tf.Tensor:
        return tf.constant(rng.standard_normal((BATCH, FEATURES), "float32"))

    fresh = [keras.ops.convert_to_numpy(v) for v in layer.variables]
    step(batch())
    for variable, value in zip(layer.variables, fresh, strict=True):
        variable.assign(value)
    times = []
    for _ in range(steps):
        x = batch()
        begun = time.process_time()
        step(x).numpy()
        times.append(time.process_time() - begun)
    unseen = np.random.default_rng(9).standard_normal((4096, FEATURES)).astype("float32")
    error = keras.ops.convert_to_numpy(layer(unseen)) - unseen
    return times, float(np.mean(error**2))


def starts(bench: Bench) -> None:
    """The k-means start beside none: all steps, the first one, and what is then left of error."""
    codes, steps = (64, 2) if bench.quick else (bench.options.codes, bench.options.steps)
    times, error = trained(codes, steps, "kmeans")
    plain, left = trained(codes, steps, "uniform")
    work = f"{codes:,} codes, k-means start"
    bench.amount(f"{work}: {steps} steps, CPU", sum(times), "s", "uniform", sum(plain))
    bench.amount(f"{work}: first step, CPU", times[0], "s", "uniform", plain[0])
    bench.amount(f"{work}: distortion", error, "", "uniform", left)


SECTIONS = {"starts": starts}


def main() -> None:
    parser = parser_of(__doc__ or "", SECTIONS)
    parser.add_argument("--codes", type=int, default=8192)
    parser.add_argument("--steps", type=int, default=64)
    options = parser.parse_args()
    need_tensorflow()
    run("quantize_start", SECTIONS, options)


if __name__ == "__main__":
    main()
