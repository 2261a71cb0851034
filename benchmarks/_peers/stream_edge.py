"""`push` of lamina_edge, without Keras. Argument: the folder with the exported steps."""

import itertools
import sys
import time
from collections.abc import Callable

import numpy as np

from benchmarks._remote import serve

RUNTIMES = {"LiteRT": "tflite", "ONNX Runtime": "onnx"}


def seconds_until_ready(folder: str) -> float:
    """Import of lamina_edge, load, first push; NumPy is there."""
    start = time.perf_counter()
    import lamina_edge

    lamina_edge.load(f"{folder}/deep.tflite").push(np.zeros((1, 1, 8), "float32"))
    return time.perf_counter() - start


def pushes(folder: str) -> dict[str, Callable[[], object]]:
    """`push` of each model, runtime and number of streams."""
    import lamina_edge

    works = {}
    for name, runtime, batch in itertools.product(("lags", "deep"), RUNTIMES, (1, 256)):
        stream = lamina_edge.load(f"{folder}/{name}.{RUNTIMES[runtime]}", batch_size=batch)
        x = np.random.default_rng(0).standard_normal((batch, 1, 8)).astype("float32")
        works[f"{name}: {runtime}, {batch}"] = lambda stream=stream, x=x: stream.push(x)
    return works


def main() -> None:
    ready = seconds_until_ready(sys.argv[1])
    serve(pushes(sys.argv[1]), [], ready=ready)


if __name__ == "__main__":
    main()
