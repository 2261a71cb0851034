"""What the k-means start of a quantizer costs, and what it gives.

    KERAS_BACKEND=tensorflow python -m benchmarks.quantize_start [--codes 8192] [--steps 64]

CPU seconds of the process for that many training steps on batches of 2,048 normal vectors of 64
numbers, with the start and without one (`start="uniform"`), and the distortion on unseen vectors.
Compilation is not counted.
"""

import argparse
import time

import keras
import numpy as np
import tensorflow as tf

import lamina

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--codes", type=int, default=8192)
    parser.add_argument("--steps", type=int, default=64)
    options = parser.parse_args()
    print("| start | all steps, s | first, s | median, s | distortion |\n|---|---|---|---|---|")
    for start in ("kmeans", "uniform"):
        times, error = trained(options.codes, options.steps, start)
        figures = f"{sum(times):.2f} | {times[0]:.3f} | {np.median(times):.3f} | {error:.4f}"
        print(f"| {start} | {figures} |")


if __name__ == "__main__":
    main()
