"""A type checker in a user's project sees lamina's types: a wrong call is an error there."""

import json
import pathlib
import subprocess
import sys

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[1] / "src"
RIGHT = """
import numpy as np
import lamina
from lamina.streaming import Causal, Stateless

layer = lamina.LagDense(16, lags=(0, 1, 7), activation="relu")
lamina.ThreePointDependency(8)
lamina.Biquad([[1, 0, 0, 1, -0.5, 0]], initial="edge")
field: int | float = layer.receptive_field


class Doubled(Stateless):
    def call(self, inputs: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
        return inputs * 2


class Before(Causal):
    @property
    def receptive_field(self) -> int:
        return 2
"""
WRONG = [
    'lamina.LagDense("sixteen", lags="x")',
    "lamina.LagDense(16)",
    "lamina.LagDense(16, lags=3)",
    'lamina.Delay("two")',
    "lamina.Volterra(1, memory=None)",
    "lamina.LowPass()",
    'lamina.Snake(alpha="fast")',
    'lamina.Stream("model.keras")',
]


def errors_in(code, folder):
    """Line numbers of the errors that pyright reports in a project of one file."""
    (folder / "user.py").write_text(code)
    settings = {"extraPaths": [str(SOURCE)], "typeCheckingMode": "standard"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    run = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run([*run, "-p", str(folder)], capture_output=True, text=True)
    found = json.loads(done.stdout)["generalDiagnostics"]
    return {f["range"]["start"]["line"] for f in found if f["severity"] == "error"}


@pytest.mark.slow
def test_right_calls_are_accepted(tmp_path):
    assert not errors_in(RIGHT, tmp_path)


@pytest.mark.slow
def test_each_wrong_call_is_an_error(tmp_path):
    lines = ["import lamina", *WRONG]
    assert errors_in("\n".join(lines), tmp_path) == set(range(1, len(lines)))
