"""Trains a quantizer on one device and on two replicas, and prints how far the weights differ.

    KERAS_BACKEND=... python -m tests.quantize.replicated [CASE ...]

TensorFlow: a MirroredStrategy of two logical CPUs. JAX: a keras.distribution over two host devices.
PyTorch: two processes with DistributedDataParallel. The printed number is the largest difference of
a weight after STEPS steps, relative to the largest number of that weight.
"""

import contextlib
import os
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

import keras
import numpy as np

import lamina

STEPS, BATCH, TIME, FEATURES = 20, 16, 4, 4
RATE = 0.01  # A trained projection multiplies roundings: at 0.05, by a hundred.
CASES = {
    "plain": lambda: lamina.VectorQuantizer(16, start=data(1)[:16, 0], revive_below=0, seed=1),
    "kmeans, revival": lambda: lamina.VectorQuantizer(16, revive_below=0.5, seed=1),
    "table larger than a replica's batch": lambda: lamina.VectorQuantizer(128, seed=1),
    "rows by the gradient": lambda: lamina.VectorQuantizer(16, update="gradient", seed=1),
    "stage dropout": lambda: lamina.ResidualVectorQuantizer(
        [16, 8], stage_dropout=0.5, revive_below=0.5, seed=1
    ),
    "projected, two groups, one table": lambda: lamina.VectorQuantizer(
        16, codebook_dim=2, groups=2, shared=True, metric="cosine", gradient="rotation", seed=1
    ),
    "drawn codes, accumulated": lambda: lamina.VectorQuantizer(
        16, temperature=0.5, gradient_accumulation_steps=3, seed=1
    ),
    "a replica without a vector": lambda: lamina.VectorQuantizer(16, revive_below=0.5, seed=1),
}


def data(steps):
    """`(steps * BATCH, TIME, FEATURES)`, in some places zero, which is masked."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((steps * BATCH, TIME, FEATURES)).astype("float32")
    x[3::5, 2:] = 0
    return x


def inputs_of(name):
    x = data(STEPS)
    if "without" in name:  # In every other step the second half of the batch, in one the first.
        halves = x.reshape(STEPS, 2, BATCH // 2, TIME, FEATURES)
        halves[::2, 1] = 0
        halves[5, 0] = 0
    return x


def model_of(name):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((TIME, FEATURES)),
            keras.layers.Masking(),
            keras.layers.Dense(FEATURES),
            CASES[name](),
            keras.layers.Flatten(),  # Ends the mask: Keras averages its loss by replica.
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.SGD(RATE), "mse")
    return model


def weights_of(model):
    return [np.asarray(keras.ops.convert_to_numpy(w)) for w in model.weights]


def fitted(name, strategy=None):
    with strategy.scope() if strategy else contextlib.nullcontext():
        model = model_of(name)
    x = inputs_of(name)
    model.fit(x, x[:, 0, :1], batch_size=BATCH, verbose=0, shuffle=False)
    return model


def by_tensorflow(names):
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    for name in names:
        model = fitted(name, strategy)
        for variable in model.weights:
            first, second = (np.asarray(v) for v in variable.value.values)
            np.testing.assert_array_equal(first, second)
        yield name, weights_of(fitted(name)), weights_of(model)


def by_jax(names):
    import jax

    for name in names:
        one = weights_of(fitted(name))
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=jax.devices()))
        two = weights_of(fitted(name))
        keras.distribution.set_distribution(None)
        yield name, one, two


def torch_trained(name, ranks=1, rank=0):
    """One process' training; a loss of the whole batch is the mean of the ranks'."""
    import torch

    model = model_of(name)
    module = torch.nn.parallel.DistributedDataParallel(model) if ranks > 1 else model
    weights = [w.value for w in model.trainable_weights]
    optimizer = torch.optim.SGD(weights, RATE)
    for batch in np.split(inputs_of(name), STEPS):
        x = torch.from_numpy(np.split(batch, ranks)[rank])
        optimizer.zero_grad()
        output = module(x, training=True)
        loss = torch.mean((output - x[:, 0, :1]) ** 2) + sum(model.losses)
        loss.backward()
        optimizer.step()
    return weights_of(model)


def torch_worker(rank, names, folder):
    import torch.distributed as distributed

    distributed.init_process_group("gloo", f"file://{folder}/meet", world_size=2, rank=rank)
    for place, name in enumerate(names):
        np.savez(f"{folder}/{place}-{rank}.npz", *torch_trained(name, 2, rank))
    distributed.destroy_process_group()


def by_torch(names):
    import torch

    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(torch_worker, (names, folder), nprocs=2)
        for place, name in enumerate(names):
            first, second = (
                list(np.load(f"{folder}/{place}-{rank}.npz").values()) for rank in range(2)
            )
            for a, b in zip(first, second, strict=True):
                np.testing.assert_array_equal(a, b)
            yield name, torch_trained(name), first


def difference(one, two):
    """Largest, relative to the largest number of each weight."""
    pairs = zip(one, two, strict=True)
    scale = [max(np.abs(a).max(initial=0), 1e-30) for a in one]
    each = [np.abs(a - b).max(initial=0) for a, b in pairs]
    return max(e / s for e, s in zip(each, scale, strict=True))


def main():
    names = sys.argv[1:] or list(CASES)
    run = {"tensorflow": by_tensorflow, "jax": by_jax, "torch": by_torch}[keras.backend.backend()]
    for name, one, two in run(names):
        print(f"{name} | {difference(one, two):.1e}", flush=True)


if __name__ == "__main__":
    main()
