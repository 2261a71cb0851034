"""Forward pass and training step of the quantizers, beside vector-quantize-pytorch.

    python -m benchmarks.quantize [--peer-python PYTHON]
    python -m benchmarks.quantize --ablation vqvae_images | rvq_signal [--seeds 3]

PYTHON is an interpreter that has torch and vector-quantize-pytorch; it runs in a process of its
own. Without it only our figures are printed. A training step is the forward pass with the table's
update and the gradient of sum(output) + loss for the input.

The ablation trains the model of an example from several seeds, each time with one of the layer's
three means against unused codes taken away, and naively: with all three.
"""

import argparse
import json
import pathlib
import subprocess
import time

import numpy as np

# name: (vectors, features, tables)
WORK = {
    "VQ 16384x64, 512 codes": (16384, 64, [512]),
    "VQ 8192x64, 4096 codes": (8192, 64, [4096]),
    "RVQ 8192x64, 4 x 256 codes": (8192, 64, [256] * 4),
}
REPEATS = 9

WITHOUT = {
    "as it comes": {},
    "random start": {"start": "uniform"},
    "rows by the gradient": {"update": "gradient"},
    "no revival": {"revive_below": 0.0},
}
WITHOUT["naive: all three"] = {k: v for options in WITHOUT.values() for k, v in options.items()}


def median_ms(call):
    """Median of some calls, in ms, after three to warm up."""
    for _ in range(3):
        call()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    return sorted(times)[REPEATS // 2]


def data(vectors, features):
    return np.random.default_rng(0).standard_normal((vectors, features)).astype("float32")


def ours(jit):
    """{name: (forward, step)} on TensorFlow, in a `tf.function`."""
    import tensorflow as tf

    import lamina

    result = {}
    for name, (vectors, features, sizes) in WORK.items():
        x = tf.constant(data(vectors, features))
        table = data(sum(sizes), features)
        if len(sizes) == 1:
            layer = lamina.VectorQuantizer(sizes[0], start=table)
        else:
            layer = lamina.ResidualVectorQuantizer(sizes, start="uniform")
        layer.build(x.shape)
        forward = tf.function(layer, jit_compile=jit)

        def step(x, layer=layer):
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = tf.reduce_sum(layer(x, training=True)) + sum(layer.losses)
            return tape.gradient(loss, x)

        step = tf.function(step, jit_compile=jit)
        result[name] = (
            median_ms(lambda f=forward, x=x: f(x).numpy()),
            median_ms(lambda f=step, x=x: f(x).numpy()),
        )
    return result


PEER = """
import json, sys, time, torch, numpy as np
from vector_quantize_pytorch import VectorQuantize, ResidualVQ
sys.path.insert(0, sys.argv[1])
from benchmarks.quantize import WORK, data, median_ms
result = {}
for name, (vectors, features, sizes) in WORK.items():
    x = torch.tensor(data(vectors, features))[None]
    if len(sizes) == 1:
        layer = VectorQuantize(dim=features, codebook_size=sizes[0], decay=0.99)
    else:
        layer = ResidualVQ(dim=features, num_quantizers=len(sizes), codebook_size=sizes[0])
    def forward():
        layer.eval()
        with torch.no_grad():
            layer(x)
    def step():
        layer.train()
        y = x.clone().requires_grad_(True)
        out, _, loss = layer(y)[:3]
        (out.sum() + loss.sum()).backward()
    result[name] = median_ms(forward), median_ms(step)
print(json.dumps(result))
"""


def peer(python):
    root = pathlib.Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [python, "-c", PEER, str(root)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def ablation(example, seeds):
    """Print error and usage on data that were not trained on, mean (smallest..largest)."""
    import keras

    runs = {"vqvae_images": vqvae_images_run, "rvq_signal": rvq_signal_run}
    for name, options in WITHOUT.items():
        results = []
        for seed in range(1, seeds + 1):
            keras.utils.set_random_seed(seed)
            results.append(runs[example](seed, options))
        columns = zip(*results, strict=True)
        shown = (f"{np.mean(c):.4f} ({min(c):.4f}..{max(c):.4f})" for c in columns)
        print(f"{example:14}{name:22}" + "   ".join(shown), flush=True)


def vqvae_images_run(seed, options):
    """(RMSE, usage) of the VQ-VAE."""
    from examples import vqvae_images as example

    model = example.train(example.training_crops(6000), 8, seed, **options)
    error, hits = example.measured(model, example.unseen_crops())
    return error, float(np.mean(hits > 0))


def rvq_signal_run(seed, options):
    """(RMSE in mmHg, usage) of the residual autoencoder, all stages passed in training."""
    from examples import rvq_signal as example

    x, unseen, (_, scale) = example.data(2000)
    rebuilt, hits = example.measured(example.train(x, 15, seed, **options), unseen)
    error = scale * np.sqrt(np.mean((rebuilt[-1] - unseen) ** 2))
    return float(error), float(np.mean(hits > 0))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python")
    parser.add_argument("--ablation", choices=["vqvae_images", "rvq_signal"])
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.ablation:
        ablation(arguments.ablation, arguments.seeds)
        return
    theirs = peer(arguments.peer_python) if arguments.peer_python else {}
    plain, jit = ours(False), ours(True)
    print(f"{'work':28}{'':10}{'ours':>10}{'ours, XLA':>12}{'peer':>10}   peer / ours")
    for name in WORK:
        for i, part in enumerate(("forward", "step")):
            a, b = plain[name][i], jit[name][i]
            c = theirs.get(name, (float("nan"),) * 2)[i]
            print(f"{name:28}{part:10}{a:8.1f}ms{b:10.1f}ms{c:8.1f}ms   {c / a:.2f}, {c / b:.2f}")


if __name__ == "__main__":
    main()
