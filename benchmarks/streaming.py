"""One sample at a time: what a step costs in each runtime. `python -m benchmarks.streaming`.

Each runtime has a process of its own. Peers with needs of their own run where `--peers PYTHON`
names an interpreter that has them: sequence-layers (with JAX) and continual-inference (PyTorch).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

ROUNDS = 9


def microseconds(call, number):
    """Median, smallest and largest time of a call over ROUNDS rounds, in microseconds."""
    for _ in range(min(number, 50)):
        call()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(number):
            call()
        times.append((time.perf_counter() - start) / number * 1e6)
    return statistics.median(times), min(times), max(times)


def lags():
    """3 lags, 8 -> 64."""
    import keras

    import lamina

    return keras.Sequential([keras.Input((None, 8)), lamina.LagDense(64, (2, 1, 0), "relu")])


def deep():
    """Six dilated lag layers of 32, a GRU and a head."""
    import keras
    from keras import layers

    import lamina

    stack = [lamina.LagDense(32, (2 * 2**i, 2**i, 0), "relu") for i in range(6)]
    tail = [layers.GRU(32, return_sequences=True), layers.Dense(4)]
    return keras.Sequential([keras.Input((None, 8)), *stack, *tail])


MODELS = {"lags": lags, "deep": deep}


def keras_times(folder):
    """Exports the models; times Keras' own ways to a new output."""
    import tensorflow as tf

    import lamina

    found = {}
    for name, make in MODELS.items():
        model = make()
        stream = lamina.Stream(model)
        stream.export(f"{folder}/{name}.tflite", "litert")
        stream.export(f"{folder}/{name}.onnx", "onnx")
        sample = np.zeros((1, 1, 8), "float32")
        window = np.zeros((1, 128, 8), "float32")
        found[f"{name}, model.predict on 128 samples"] = microseconds(
            lambda model=model, window=window: model.predict(window, verbose=0), 4
        )
        found[f"{name}, predict_on_batch on 128 samples"] = microseconds(
            lambda model=model, window=window: model.predict_on_batch(window), 20
        )
        found[f"{name}, Stream.push (TensorFlow)"] = microseconds(
            lambda stream=stream, sample=sample: stream.push(sample), 100
        )
        # The step itself as a concrete function, its state handed on.
        tensor = tf.constant(sample)
        function = stream._function(1, [None])
        state = [stream._state]

        def step(function=function, state=state, tensor=tensor):
            y, state[0] = function([tensor], [], state[0])
            return y

        found[f"{name}, step as a TF concrete function"] = microseconds(step, 300)
    return found


def edge_times(folder):
    """`push` of lamina_edge."""
    start = time.perf_counter()
    import lamina_edge

    found = {}
    first = lamina_edge.load(f"{folder}/deep.tflite")
    first.push(np.zeros((1, 1, 8), "float32"))
    ready = (time.perf_counter() - start) * 1e6
    found["ready (import lamina_edge, load, first push)"] = (ready, ready, ready)
    for name in MODELS:
        for kind, suffix in (("LiteRT", "tflite"), ("ONNX Runtime", "onnx")):
            for batch in (1, 256):
                stream = lamina_edge.load(f"{folder}/{name}.{suffix}", batch_size=batch)
                x = np.random.default_rng(0).standard_normal((batch, 1, 8)).astype("float32")
                found[f"{name}, lamina_edge {kind}, {batch} stream(s)"] = microseconds(
                    lambda stream=stream, x=x: stream.push(x), 3000 if batch == 1 else 400
                )
    return found


def sequence_layers_times(folder):
    """google/sequence-layers: the same layers, its step under `jax.jit`."""
    import jax
    import sequence_layers.jax as sl

    def conv(dilation, units):
        return sl.Conv1D.Config(
            filters=units, kernel_size=3, dilation_rate=dilation, padding="causal_valid",
            activation=jax.nn.relu,
        )  # fmt: skip

    found = {}
    configs = {"lags": conv(1, 64)}
    for name, config in configs.items():
        for batch in (1, 256):
            layer = config.make()
            x = sl.Sequence.from_values(np.zeros((batch, 1, 8), "float32"))
            spec = sl.ShapeDType((8,), np.dtype("float32"))
            weights = layer.init(jax.random.key(0), x, training=False, method=layer.layer)

            def fresh(layer=layer, weights=weights, batch=batch, spec=spec):
                return layer.apply(
                    weights, batch, spec, training=False, method=layer.get_initial_state
                )

            state = [fresh()]
            step = jax.jit(
                lambda w, x, s, layer=layer: layer.apply(w, x, s, training=False, method=layer.step)
            )

            def one(step=step, weights=weights, x=x, state=state):
                y, state[0] = step(weights, x, state[0])
                return y.values.block_until_ready()

            found[f"{name}, sequence-layers (JAX jit), {batch} stream(s)"] = microseconds(one, 300)
    return found


def continual_times(folder):
    """continual-inference: the same layers, eager PyTorch, `forward_step`."""
    import continual
    import torch

    torch.set_num_threads(1)

    # Its convolutions step without dilation only, so of ours it runs the first model.
    # They have no "causal": without padding they give the causal result.
    found = {}
    for batch in (1, 256):
        model = continual.Sequential(continual.Conv1d(8, 64, 3), torch.nn.ReLU()).eval()
        x = torch.zeros((batch, 8))
        with torch.no_grad():
            found[f"lags, continual-inference (PyTorch), {batch} stream(s)"] = microseconds(
                lambda model=model, x=x: model.forward_step(x), 100
            )
    return found


PARTS = {
    "keras": keras_times,
    "edge": edge_times,
    "sequence_layers": sequence_layers_times,
    "continual": continual_times,
}


def run(python, part, folder):
    """One part in a process of its own; {} and a word of why, if it cannot run."""
    done = subprocess.run(
        [python, "-m", "benchmarks.streaming", "--part", part, folder],
        capture_output=True, text=True, check=False,
        env={**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    if done.returncode:
        print(f"{part} does not run here: {done.stderr.strip().splitlines()[-1]}")
        return {}
    return json.loads(done.stdout.splitlines()[-1])


def report(found):
    width = max(map(len, found))
    print(f"{'work':{width}}  median (min..max of {ROUNDS} rounds), us")
    for name, (median, least, most) in found.items():
        print(f"{name:{width}}  {median:10.2f}  ({least:.2f}..{most:.2f})")
    edge = found["lags, lamina_edge LiteRT, 1 stream(s)"][0]
    deep = found["deep, lamina_edge LiteRT, 1 stream(s)"][0]
    many = min(
        found[f"lags, lamina_edge {kind}, 256 stream(s)"][0] for kind in ("LiteRT", "ONNX Runtime")
    )
    concrete = found["lags, step as a TF concrete function"][0] / edge
    predict = found["lags, model.predict on 128 samples"][0] / edge
    batch = found["lags, predict_on_batch on 128 samples"][0] / edge
    print(f"\n3 lags 8 -> 64, one stream, LiteRT push: {edge:.2f} us (at most 5)")
    print(f"  TF concrete function / push: {concrete:.0f}x (at least 20)")
    print(f"  model.predict on 128 samples / push: {predict:.0f}x (at least 1000)")
    print(f"  predict_on_batch on 128 samples / push: {batch:.0f}x")
    print(f"six lag layers of 32, GRU, head: {deep:.2f} us (at most 25)")
    print(f"256 streams of 3 lags: {256 / many:.2f} million stream-samples a second (over 4)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", help="an interpreter that has the peers")
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("folder", nargs="?")
    arguments = parser.parse_args()
    if arguments.part:
        found = PARTS[arguments.part](arguments.folder)
        print(json.dumps(found))
        return
    with tempfile.TemporaryDirectory() as folder:
        found = run(sys.executable, "keras", folder)
        found |= run(sys.executable, "edge", folder)
        for part in ("sequence_layers", "continual"):
            python = arguments.peers or sys.executable
            found |= run(python, part, folder)
    report(found)


if __name__ == "__main__":
    main()
