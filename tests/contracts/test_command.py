"""`lamina check` as a user runs it: exit codes, crashes and hangs, files, several backends."""

import json
import os
import pty
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import keras
import numpy as np
import pytest

from lamina.contracts import Report, Result
from lamina_cli._check import show

LAYERS = """
import os
import time

import keras
from keras import ops


class Clean(keras.layers.Layer):
    def call(self, x):
        return x * 2


class SoftmaxOverBatch(keras.layers.Layer):
    def call(self, x):
        return ops.softmax(x, axis=0)


class Hangs(keras.layers.Layer):
    def call(self, x, training=False):
        while training:
            time.sleep(1)
        return x


class Dies(keras.layers.Layer):
    def call(self, x, training=False):
        if training:
            os._exit(3)
        return x


class Refuses(keras.layers.Layer):
    def __init__(self, **kwargs):
        raise RuntimeError("no such thing")


class OneBackendDiffers(keras.layers.Layer):
    def call(self, x):
        return x * (3 if keras.backend.backend() == "jax" else 2)


def factory():
    return keras.layers.Dense(2)
"""
SAMPLE = ["--inputs", "float32(3,4)"]


@pytest.fixture
def lamina(tmp_path):
    """Runs the command beside a file of layers: (exit code, standard output, errors)."""
    (tmp_path / "mine.py").write_text(LAYERS)

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "lamina_cli", "check", *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=500,
            env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
        )
        return done.returncode, done.stdout, done.stderr

    return run


def test_a_broken_layer_exits_1_and_its_report_is_json_and_junit(lamina, tmp_path):
    options = ["--contracts", "batch.*,forward.finite", "--json", "--junit", "out.xml"]
    code, out, _ = lamina("mine.py:SoftmaxOverBatch", *SAMPLE, *options)
    (report,) = json.loads(out)
    assert code == 1
    assert report["broken"] == ["batch.independent"]
    assert report["causes"] == [{"root": "batch.independent", "consequences": []}]
    cases = list(ElementTree.parse(tmp_path / "out.xml").iter("testcase"))
    failed = [c.get("name") for c in cases if c.find("failure") is not None]
    assert ([c.get("name") for c in cases], failed) == (
        ["batch.independent", "forward.finite"],
        ["batch.independent"],
    )


@pytest.mark.slow
@pytest.mark.parametrize("target", ["mine.py:Clean", "mine:Clean", "mine:factory"])
def test_a_clean_class_file_or_factory_exits_0_in_plain_text(lamina, target):
    code, out, _ = lamina(target, *SAMPLE, "--fast")
    assert code == 0, out
    assert "\nok: " in out
    assert "┃" not in out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("mine.py:Refuses", "could not be constructed.*no such thing"),
        ("mine.py:Missing", "could not be imported"),
        ("nothing.py:Layer", "could not be imported"),
    ],
)
def test_what_cannot_run_exits_2_with_one_error(lamina, target, why):
    code, out, error = lamina(target, *SAMPLE)
    assert (code, out) == (2, "")
    assert len(error.strip().splitlines()) == 1
    assert pytest.importorskip("re").search(why, error)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layer", "why"), [("Hangs", "did not return within 5 s"), ("Dies", r"exit code 3")]
)
def test_a_hang_or_a_death_is_reported_and_the_next_contract_still_runs(lamina, layer, why):
    options = ["--contracts", "forward.finite,infer.pure", "--timeout", "5", "--json"]
    code, out, _ = lamina(f"mine.py:{layer}", *SAMPLE, *options)
    found = {r["contract"]: r for r in json.loads(out)[0]["results"]}
    assert code == 1
    assert found["forward.finite"]["status"] == "crashed"
    assert why in found["forward.finite"]["message"]
    assert found["infer.pure"]["status"] == "passed"


@pytest.mark.slow
def test_every_layer_of_a_saved_model_is_checked(lamina, tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.ReLU()])
    model.save(tmp_path / "model.keras")
    code, out, _ = lamina("model.keras", "--contracts", "forward.finite,config.*", "--json")
    reports = json.loads(out)
    assert code == 0
    assert [r["target"] for r in reports] == ["Dense", "ReLU"]
    assert all(not r["provisional"] for r in reports)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_backends_run_separately_and_their_outputs_are_compared(lamina):
    pytest.importorskip("jax")
    pytest.importorskip("torch")
    options = ["--backends", "tensorflow,jax,torch", "--contracts", "portable.backends", "--json"]
    code, out, _ = lamina("mine.py:OneBackendDiffers", *SAMPLE, *options)
    reports = {r["backend"]: r for r in json.loads(out)}
    assert code == 1
    assert {b: r["ok"] for b, r in reports.items()} == {
        "tensorflow": True,
        "jax": False,
        "torch": True,
    }
    assert "jax gives" in reports["jax"]["results"][0]["message"]


def test_wrong_options_are_refused_before_anything_runs(lamina):
    code, _, error = lamina("mine.py:Clean", "--kwargs", "{units: 3}")
    assert code == 2
    assert "--kwargs must be JSON" in error


def report_of(status, message):
    result = Result("shape.any_batch", status, message)
    return Report("Mine", "torch", "float32(3, 4)", False, [result])


@pytest.mark.parametrize("terminal", [True, False])
def test_a_table_on_a_terminal_and_plain_lines_elsewhere(capsys, monkeypatch, terminal):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    report = report_of("broken", "it says [bold] and [3, None]")
    show(report.to_dict(), str(report))
    out = capsys.readouterr().out
    assert ("┃" in out) is terminal
    assert out.endswith(f"{report}\n")
    assert "[bold]" in out
    assert "[3, None]" in out


def test_the_help_imports_neither_keras_nor_lamina():
    reader, writer = pty.openpty()
    code = (
        "import sys, lamina_cli._app as a\n"
        "assert not {'keras', 'lamina', 'numpy'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    os.close(reader)
    assert done.returncode == 0, done.stderr.decode()


def test_samples_are_read_from_words_and_files(tmp_path):
    from lamina_cli._check_worker import CannotRun, sample

    np.save(tmp_path / "x.npy", np.ones((2, 3)))
    assert sample(str(tmp_path / "x.npy")).shape == (2, 3)
    assert [x.shape for x in sample("[float32(3,4),int32(3)]")] == [(3, 4), (3,)]
    assert sample("int32(3,2)").dtype == "int32"
    with pytest.raises(CannotRun, match="--inputs must be shapes"):
        sample("three by four")
