"""The pytest plugin: one test a layer and contract, known breaks, no cost where it is not used."""

import os
import subprocess
import sys

import keras
import pytest

SUITE = """
import keras
import numpy as np
from keras import ops
from lamina_pytest import parametrize_with_checks

class Good(keras.layers.Layer):
    def call(self, x):
        return x * 2

class SoftmaxOverBatch(keras.layers.Layer):
    def call(self, x):
        return ops.softmax(x, axis=0)

X = np.random.default_rng(0).standard_normal((3, 4)).astype("float32")
BY_DESIGN = {"batch.independent": "a softmax over the batch, by design"}

@parametrize_with_checks([(Good, {}, X)], contracts=["batch.independent", "mask.flow"])
def test_good(layer_check):
    layer_check()

@parametrize_with_checks([(SoftmaxOverBatch, {}, X)], contracts=["batch.independent"])
def test_broken(layer_check):
    layer_check()

@parametrize_with_checks(
    [(SoftmaxOverBatch, {}, X)], contracts=["batch.independent"], expected_failures=BY_DESIGN
)
def test_known(layer_check):
    layer_check()

@parametrize_with_checks(
    [(Good, {}, X)], contracts=["batch.independent"], expected_failures=BY_DESIGN
)
def test_fixed(layer_check):
    layer_check()
"""


def pytest_in(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=500,
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
    ).stdout


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    (folder / "test_mine.py").write_text(SUITE)
    return pytest_in(folder, "test_mine.py")


@pytest.mark.slow
def test_one_test_a_layer_and_contract(outcome):
    assert "PASSED test_mine.py::test_good[Good-batch.independent]" in outcome
    assert "the trait `mask` is not declared" in outcome


@pytest.mark.slow
def test_a_break_fails_with_its_repair(outcome):
    assert "FAILED test_mine.py::test_broken[SoftmaxOverBatch-batch.independent]" in outcome
    assert "repair: look for a reshape" in outcome


@pytest.mark.slow
def test_a_known_break_is_expected_and_a_fixed_one_fails(outcome):
    assert "XFAIL test_mine.py::test_known[SoftmaxOverBatch-batch.independent]" in outcome
    assert "FAILED test_mine.py::test_fixed[Good-batch.independent]" in outcome
    assert "take the entry out" in outcome


def test_a_project_that_does_not_use_it_pays_nothing(tmp_path):
    (tmp_path / "test_other.py").write_text(
        "import sys\n"
        "import lamina_pytest\n"
        "def test_nothing_heavy_is_loaded():\n"
        "    assert not {'keras', 'lamina', 'numpy', 'tensorflow'} & set(sys.modules)\n"
    )
    out = pytest_in(tmp_path, "test_other.py")
    assert "1 passed" in out, out
