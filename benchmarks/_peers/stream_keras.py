"""Keras' own ways to a new output, on TensorFlow. Argument: the folder for the exported steps."""

import sys
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import lamina
from benchmarks._remote import serve


def lags() -> keras.Model:
    """3 lags, 8 -> 64."""
    return keras.Sequential([keras.Input((None, 8)), lamina.LagDense(64, (2, 1, 0), "relu")])


def deep() -> keras.Model:
    """Six dilated lag layers of 32, a GRU and a head."""
    stack = [lamina.LagDense(32, (2 * 2**i, 2**i, 0), "relu") for i in range(6)]
    tail = [layers.GRU(32, return_sequences=True), layers.Dense(4)]
    return keras.Sequential([keras.Input((None, 8)), *stack, *tail])


def concrete_step(stream: lamina.Stream, sample: np.ndarray) -> Callable[[], object]:
    """The step itself as a concrete function, its state handed on: no public way leads to it."""
    tensor = tf.constant(sample)
    function = stream._function(1, [None])
    state = stream._state

    def step() -> object:
        nonlocal state
        y, state = function([tensor], [], state)
        return y

    return step


def works_of(name: str, model: keras.Model, folder: str) -> dict[str, Callable[[], object]]:
    """Exports the model's step; the ways to an output of the model."""
    stream = lamina.Stream(model)
    stream.export(f"{folder}/{name}.tflite", "litert")
    stream.export(f"{folder}/{name}.onnx", "onnx")
    sample = np.zeros((1, 1, 8), "float32")
    window = np.zeros((1, 128, 8), "float32")
    return {
        f"{name}: model.predict on 128 samples": lambda: model.predict(window, verbose=0),
        f"{name}: predict_on_batch on 128 samples": lambda: model.predict_on_batch(window),
        f"{name}: Stream.push (TensorFlow)": lambda: stream.push(sample),
        f"{name}: step as a TF concrete function": concrete_step(stream, sample),
    }


def main() -> None:
    folder = sys.argv[1]
    serve(works_of("lags", lags(), folder) | works_of("deep", deep(), folder), [])


if __name__ == "__main__":
    main()
