"""One sample at a time: what a step costs in each runtime.

    python -m benchmarks.streaming [--peers PYTHON]

Each runtime has a process of its own; ours is `lamina_edge`, which loads no Keras. Peers are
sequence-layers (with JAX) and continual-inference (PyTorch), where PYTHON has them.
"""

import contextlib
import tempfile
from collections.abc import Iterator

from benchmarks._bench import Bench, Row, Spread, parser_of, run
from benchmarks._remote import Remote

MODELS = {"lags": "3 lags 8 -> 64", "deep": "six lag layers of 32, GRU, head"}
PUSHES = {1: 3000, 256: 400}  # in a row: some milliseconds, so that the clock's grain is nothing
# Seconds that one push may take. 256 streams: 4 million samples per second.
LIMITS = {("lags", 1): 5e-6, ("deep", 1): 25e-6, ("lags", 256): 64e-6}
# Of Keras' own ways: calls in a row, and by how much our push must be faster with 3 lags.
KERAS_WAYS = {
    "model.predict on 128 samples": (4, 1000),
    "predict_on_batch on 128 samples": (20, None),
    "Stream.push (TensorFlow)": (100, None),
    "step as a TF concrete function": (300, 20),
}
PEERS = {
    "sequence_layers": ("sequence-layers (JAX jit)", 300),
    "continual": ("continual-inference (PyTorch)", 100),
}


@contextlib.contextmanager
def runtimes(bench: Bench) -> Iterator[tuple[Remote, Remote]]:
    """(lamina_edge, Keras), each in its process; Keras exports the steps first."""
    with (
        tempfile.TemporaryDirectory() as folder,
        bench.remote("stream_keras", folder, other_python=False) as keras,
        bench.remote("stream_edge", folder, other_python=False) as edge,
    ):
        for remote in (keras, edge):
            if remote.missing:
                raise RuntimeError(remote.missing)
        yield edge, keras


def alone(bench: Bench, ours: Remote) -> None:
    """Our own pushes, with their limits."""
    ready = Spread.of([ours.facts["ready"]])
    bench.add(Row("ready: import lamina_edge, load, first push", ready))
    for work in ours.works:
        model, runtime, batch = work.replace(": ", ", ").split(", ")
        limit = LIMITS.get((model, int(batch))) if runtime == "LiteRT" else None
        push = ours.timer(work, PUSHES[int(batch)])
        bench.measure(f"{MODELS[model]}: push, {runtime}, {batch} stream(s)", push, limit)


def beside_keras(bench: Bench, ours: Remote, keras: Remote) -> None:
    """One stream by LiteRT, beside Keras' own ways to a new output."""
    for model, label in MODELS.items():
        push = ours.timer(f"{model}: LiteRT, 1", PUSHES[1])
        for way, (repeats, limit) in KERAS_WAYS.items():
            peer = keras.timer(f"{model}: {way}", repeats)
            at_least = limit if model == "lags" else None
            bench.compare(f"{label}: push, LiteRT, 1 stream(s)", push, way, peer, at_least)


def beside_peer(bench: Bench, ours: Remote, module: str) -> None:
    """The same layer in another library."""
    name, repeats = PEERS[module]
    with bench.remote(module) as peer:
        for batch, pushes in PUSHES.items():
            work = f"{MODELS['lags']}: push, LiteRT, {batch} stream(s)"
            if peer.missing:
                bench.add(Row(work, None, name, note=peer.missing))
            else:
                push = ours.timer(f"lags: LiteRT, {batch}", pushes)
                bench.compare(work, push, name, peer.timer(str(batch), repeats))


def push(bench: Bench) -> None:
    with runtimes(bench) as (ours, keras):
        alone(bench, ours)
        beside_keras(bench, ours, keras)
        for module in PEERS:
            beside_peer(bench, ours, module)


SECTIONS = {"push": push}


def main() -> None:
    run("streaming", SECTIONS, parser_of(__doc__ or "", SECTIONS).parse_args())


if __name__ == "__main__":
    main()
