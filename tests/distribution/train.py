"""Train every trainable layer of the registry on several devices, and on one.

    python -m tests.distribution.train OUT.json [NAME ...]

In a process of its own, on JAX with four simulated devices. Writes for each model and each layout
the largest relative difference of a weight after four steps from the same steps on one device.
"""

import json
import os
import pathlib
import re
import sys

os.environ["KERAS_BACKEND"] = "jax"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_ENABLE_X64"] = "0"

import keras
import numpy as np
from keras import ops

import lamina
from tests.registry import ROWS, case

DEVICES, BATCH, STEPS = 4, 8, 4
DATA, MODEL = "data", "model"
QUANTIZERS = ("VectorQuantizer", "ResidualVectorQuantizer")


def inputs_of(row):
    """A batch of 8 of a row's inputs."""
    parts = [row.inputs(np.random.default_rng(seed)) for seed in range(3)]
    return keras.tree.map_structure(lambda *leaves: np.concatenate(leaves)[:BATCH], *parts)


def functional(layer, inputs):
    """A model of one layer; only what a loss can use comes out."""
    flat = keras.tree.flatten(inputs)
    symbols = [
        keras.Input(x.shape[1:], dtype=x.dtype.name, name=f"input_{i}") for i, x in enumerate(flat)
    ]
    outputs = keras.tree.flatten(layer(keras.tree.pack_sequence_as(inputs, symbols)))
    return keras.Model(symbols, [y for y in outputs if keras.backend.is_float_dtype(y.dtype)])


def of_quantizer(row):
    """A layer whose codebook learns by counting, behind one that learns by gradients."""
    x = inputs_of(row)
    symbol = keras.Input(x.shape[1:])
    front = keras.layers.Dense(x.shape[-1], kernel_initializer="identity", name="front")
    outputs = keras.tree.flatten(row.make()(front(symbol)))
    model = keras.Model(symbol, [y for y in outputs if keras.backend.is_float_dtype(y.dtype)])
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss=[mean_square] * len(model.outputs))
    return model, x, [np.zeros((BATCH, 1), "float32") for _ in model.outputs]


def mean_square(_, y):
    return ops.mean(ops.square(y), axis=tuple(range(1, len(y.shape))))


def of_row(row):
    """A compiled model of a registry's row, its inputs and targets."""
    inputs = inputs_of(row)
    model = functional(row.make(), inputs)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss=[mean_square] * len(model.outputs))
    targets = [np.zeros((BATCH, 1), "float32") for _ in model.outputs]
    return model, keras.tree.flatten(inputs), targets


def dense(sizes):
    layers = [keras.layers.Dense(n, activation="tanh", name=f"dense_{n}") for n in sizes]
    return keras.Sequential([keras.Input((4,)), *layers])


def of_tapped():
    """A loss on a hidden layer beside that on the output."""
    model = lamina.Tapped(dense((8, 6)), ["dense_8"])
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9), loss={"output": "mse", "dense_8": mean_square}
    )
    x = np.random.default_rng(0).standard_normal((BATCH, 4)).astype("float32")
    return model, x, {"output": x[:, :1] + np.zeros(6, "float32"), "dense_8": x[:, :1]}


def of_adversarial():
    """Both networks, with the penalty on real data: a gradient of a gradient."""
    model = lamina.Adversarial(dense((8, 4)), dense((6, 2)), r1=1.0)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9))
    x = np.random.default_rng(0).standard_normal((2, BATCH, 4)).astype("float32")
    return model, x[0], x[1]


def trainable():
    """`{name: how to make it}`."""
    made = {"Tapped": of_tapped, "Adversarial": of_adversarial}
    for row in ROWS:
        layer, inputs = case(row)
        layer(inputs)
        if layer.trainable_variables:
            made[row.name] = lambda row=row: of_row(row)
        elif row.layer in QUANTIZERS:
            made[row.name] = lambda row=row: of_quantizer(row)
    return made


def halved(shapes):
    """A layout that halves the last axis of each weight, where it can be halved."""
    mesh = keras.distribution.DeviceMesh((2, 2), (DATA, MODEL), keras.distribution.list_devices())
    layout = keras.distribution.LayoutMap(mesh)
    for path, shape in shapes.items():
        if shape and shape[-1] % 2 == 0:
            layout[re.escape(path)] = (*[None] * (len(shape) - 1), MODEL)
    return keras.distribution.ModelParallel(layout_map=layout, batch_dim_name=DATA)


def trained(make, distribution):
    """The weights after the steps: `{path: value}`."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    keras.distribution.set_distribution(distribution)
    try:
        model, x, y = make()
        model.fit(x, y, batch_size=BATCH, epochs=STEPS, shuffle=False, verbose=0)
        if distribution is not None:
            used = {d for v in model.variables for d in v.value.devices()}
            assert len(used) == DEVICES, f"only {len(used)} devices took part"
        return {w.path: np.asarray(w.value) for w in model.weights}
    finally:
        keras.distribution.set_distribution(None)


def difference(ours, one):
    """The largest relative difference of a weight, seeds left out."""
    assert ours.keys() == one.keys()
    found = 0.0
    for path, want in one.items():
        if np.issubdtype(want.dtype, np.floating) and want.size:
            largest = np.abs(want).max()
            found = max(found, float(np.abs(ours[path] - want).max() / (largest or 1.0)))
    return found


def main():
    found = {}
    made = trainable()
    print("models:", ", ".join(made), flush=True)
    for name in [name for name in sys.argv[2:] if name in made] or made:
        make = made[name]
        one = trained(make, None)
        shapes = {path: value.shape for path, value in one.items()}
        layouts = {"DataParallel": keras.distribution.DataParallel, "2 x 2": lambda: halved(shapes)}  # noqa: B023
        for layout, distribution in layouts.items():
            try:
                value = difference(trained(make, distribution()), one)
            except Exception as error:
                value = f"{type(error).__name__}: {error}".splitlines()[0]
            found[f"{name} {layout}"] = value
            print(name, layout, value, flush=True)
    pathlib.Path(sys.argv[1]).write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
