"""Training on four devices gives the weights of training on one (JAX, simulated devices)."""

import json
import os
import subprocess
import sys

import keras
import pytest

from tests.registry import ROWS

# Sums over the devices come in another order: some roundings of float32, 6e-8 each.
MOST = 2e-6
# XLA's transforms on a processor refuse the order in which a sharded image lies in memory.
REFUSED = {"DataConsistency 2 x 2"}
# Their codes differ on several devices, from the first batch on: open, see docs/devices.md.
# Weights of trained projections differ by 5e-6: open too.
OPEN = {
    "VectorQuantizer[gradient, kmeans]",
    "VectorQuantizer[projected]",
    "ResidualVectorQuantizer",
}
LAYOUTS = ("DataParallel", "2 x 2")


@pytest.fixture(scope="module")
def differences(tmp_path_factory):
    pytest.importorskip("jax")
    path = tmp_path_factory.mktemp("devices") / "found.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.distribution.train", str(path)],
        capture_output=True,
        text=True,
        env=os.environ | {"JAX_ENABLE_X64": "0"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text())


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(keras.backend.backend() != "jax", reason="once, in the run on JAX")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_are_those_of_one_device(differences, layout):
    names = {key.removesuffix(f" {layout}") for key in differences if key.endswith(layout)}
    assert {"Tapped", "Adversarial", "LagDense", "VectorQuantizer"} <= names
    assert names <= {row.name for row in ROWS} | {"Tapped", "Adversarial"}
    wrong = {
        name: found
        for name in names
        if f"{name} {layout}" not in REFUSED and name not in OPEN
        if isinstance(found := differences[f"{name} {layout}"], str) or not found <= MOST
    }
    assert not wrong
