"""Forward pass and training step of the quantizers, beside vector-quantize-pytorch.

    python -m benchmarks.quantize [--peers PYTHON]
    python -m benchmarks.quantize --ablation vqvae_images | rvq_signal [--seeds 3]

PYTHON is an interpreter that has torch and vector-quantize-pytorch; it runs in a process of its
own. A training step is the forward pass with the table's update and the gradient of
sum(output) + loss for the input.

The ablation trains the model of an example from several seeds, each time with one of the layer's
three means against unused codes taken away, and naively: with all three.
"""

import json
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

import lamina
from benchmarks._bench import Bench, Row, Spread, need_tensorflow, parser_of, run
from benchmarks._pairs import alone, timer

# name: (vectors, features, tables)
WORKS = {
    "VQ 16384x64, 512 codes": (16384, 64, [512]),
    "VQ 8192x64, 4096 codes": (8192, 64, [4096]),
    "RVQ 8192x64, 4 x 256 codes": (8192, 64, [256] * 4),
}
QUICK = {"VQ 256x16, 32 codes": (256, 16, [32]), "RVQ 256x16, 2 x 16 codes": (256, 16, [16] * 2)}

PEER = "vector-quantize-pytorch"
WITHOUT = {
    "as it comes": {},
    "random start": {"start": "uniform"},
    "rows by the gradient": {"update": "gradient"},
    "no revival": {"revive_below": 0.0},
}
WITHOUT["naive: all three"] = {k: v for options in WITHOUT.values() for k, v in options.items()}


def normal(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((rows, columns), "float32")


def ours(
    vectors: int, features: int, sizes: list[int], jit: bool
) -> dict[str, Callable[[], object]]:
    """Forward pass and training step, each a `tf.function`."""
    x = tf.constant(normal(vectors, features))
    if len(sizes) == 1:
        layer = lamina.VectorQuantizer(sizes[0], start=normal(sizes[0], features))
    else:
        layer = lamina.ResidualVectorQuantizer(sizes, start="uniform")
    layer.build(x.shape)
    forward = tf.function(layer, jit_compile=jit)

    @tf.function(jit_compile=jit)
    def step(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, training=True)) + sum(layer.losses)
        return tape.gradient(loss, x)

    return {"forward": lambda: forward(x).numpy(), "step": lambda: step(x).numpy()}


def speed(bench: Bench) -> None:
    """Each work as a plain graph and compiled by XLA, beside the peer where it is installed."""
    works = QUICK if bench.quick else WORKS
    with bench.remote("vector_quantize", json.dumps(works)) as peer:
        for name, sizes in works.items():
            for compiler, jit in (("graph", False), ("XLA", True)):
                for part, call in ours(*sizes, jit).items():
                    work = f"{name}: {part}, {compiler}"
                    if peer.missing:
                        mine = alone(work, timer(call), bench.pairs).ours
                        bench.add(Row(work, mine, PEER, pairs=bench.pairs, note=peer.missing))
                    else:
                        theirs = peer.timer(f"{name} {part}")
                        bench.compare(work, timer(call), PEER, theirs)


def vqvae_images_run(seed: int, options: dict) -> tuple[float, float]:
    """(RMSE, usage) of the VQ-VAE."""
    from examples import vqvae_images as example

    model = example.train(example.training_crops(6000), 8, seed, **options)
    error, hits = example.measured(model, example.unseen_crops())
    return float(error), float(np.mean(hits > 0))


def rvq_signal_run(seed: int, options: dict) -> tuple[float, float]:
    """(RMSE in mmHg, usage) of the residual autoencoder, all stages passed in training."""
    from examples import rvq_signal as example

    x, unseen, (_, scale) = example.data(2000)
    rebuilt, hits = example.measured(example.train(x, 15, seed, **options), unseen)
    error = scale * np.sqrt(np.mean((rebuilt[-1] - unseen) ** 2))
    return float(error), float(np.mean(hits > 0))


ABLATIONS = {"vqvae_images": (vqvae_images_run, ""), "rvq_signal": (rvq_signal_run, "mmHg")}


def ablation(bench: Bench) -> None:
    """Error and usage on data that were not trained on: the median over the seeds."""
    example, seeds = bench.options.ablation, range(1, bench.options.seeds + 1)
    train, unit = ABLATIONS[example]
    for name, options in WITHOUT.items():
        results = []
        for seed in seeds:
            keras.utils.set_random_seed(seed)
            results.append(train(seed, options))
        errors, usages = map(Spread.of, zip(*results, strict=True))
        note = f"mean {np.mean([error for error, _ in results]):.4g}"
        bench.add(Row(f"{name}: error", errors, pairs=len(seeds), unit=unit, note=note))
        usage = Spread(*(100 * value for value in (usages.median, usages.min, usages.max)))
        note = f"mean {100 * np.mean([usage for _, usage in results]):.4g} %"
        bench.add(Row(f"{name}: codes used", usage, pairs=len(seeds), unit="%", note=note))


def main() -> None:
    parser = parser_of(__doc__ or "", {"speed": speed})
    parser.add_argument("--ablation", choices=ABLATIONS, help="train an example without parts")
    parser.add_argument("--seeds", type=int, default=3, help="of the ablation (%(default)s)")
    options = parser.parse_args()
    need_tensorflow()
    if options.ablation:
        run(f"quantize-{options.ablation}", {"ablation": ablation}, options)
    else:
        run("quantize", {"speed": speed}, options)


if __name__ == "__main__":
    main()
