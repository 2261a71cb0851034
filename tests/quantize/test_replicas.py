"""Two replicas with half a batch each move a table as one does with the whole batch."""

import subprocess
import sys

import pytest

SCRIPT = """
import contextlib, sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras, numpy as np
from lamina import VectorQuantizer

x = np.random.default_rng(0).standard_normal((256, 4)).astype("float32")

def trained(strategy, **options):
    with strategy.scope() if strategy else contextlib.nullcontext():
        layer = VectorQuantizer(16, seed=1, **options)
        model = keras.Sequential([keras.Input((4,)), layer, keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.0), "mse")
    model.fit(x, np.zeros((256, 1)), batch_size=64, verbose=0, shuffle=False)
    return layer

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
one, two = (trained(s, start=x[:16], revive_below=0) for s in (None, strategy))
for a, b in zip(one.weights, two.weights):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-5, atol=1e-6)
for variable in trained(strategy, revive_below=0.5).weights:
    first, second = (np.asarray(v) for v in variable.value.values)
    np.testing.assert_array_equal(first, second)
print("replicas agree")
"""


@pytest.mark.tensorflow
@pytest.mark.slow
def test_two_replicas_move_a_table_as_one_does():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert "replicas agree" in done.stdout, done.stderr[-3000:]
