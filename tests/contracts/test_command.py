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
import typer

from lamina.contracts import CONTRACTS
from lamina_cli._check import _job, junit_xml
from lamina_cli._check_settings import settings_of

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
        ("mine.py:Missing", "defines no Missing"),
        ("nothing.py:Layer", "no such file"),
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
    assert [r["target"].split()[1] for r in reports] == ["(Dense)", "(ReLU)"]
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


def result(status, **more):
    return {
        "contract": "shape.any_batch",
        "status": status,
        "message": "why",
        "seconds": 0.5,
        **more,
    }


def test_junit_counts_failures_and_says_how_to_repair_them():
    results = [result("broken", hint="do this"), result("crashed"), result("passed")]
    text = junit_xml([{"target": "Mine", "backend": "torch", "results": results}])
    suite = ElementTree.fromstring(text).find("testsuite")
    counts = {k: suite.get(k) for k in ("tests", "failures", "errors", "skipped", "time")}
    assert counts == dict(tests="3", failures="1", errors="1", skipped="0", time="1.500")
    assert "do this" in suite.find("testcase/failure").text


def test_every_contract_is_listed_and_explained_without_keras():
    code = (
        "import sys\n"
        "from lamina_cli._check_explain import explained, listed, pages\n"
        "print(listed())\n"
        "for page in pages():\n"
        "    text = explained(page.id)\n"
        "    assert 'Promise:' in text and 'Repair:' in text, page.id\n"
        "    assert 'A layer that breaks it:' in text, page.id\n"
        "    marks = page.marks\n"
        "    assert ('Trait:' in text) >= bool(marks.get('needs') or marks.get('excused_by'))\n"
        "assert not {'keras', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()} == set(CONTRACTS)


@pytest.mark.parametrize("target", ["nothing.py", "nothing.keras", "no_such_module:Layer"])
def test_a_wrong_path_is_told_before_a_backend_is_imported(target, monkeypatch, capsys):
    def refuse(*args, **kwargs):
        raise AssertionError("a worker was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(typer.Exit) as exit:
        _job(target, [], None, None, False)
    assert exit.value.exit_code == 2
    assert "no such file" in capsys.readouterr().err or ":" in target


def test_expected_failures_are_read_per_layer(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        "[tool.lamina.layers.Pool]\nkwargs = {units = 3}\n"
        'expected_failures = {"config.base" = "named elsewhere"}\n'
    )
    (tmp_path / "known.toml").write_text('[Pool]\n"batch.independent" = "by design"\n')
    found = settings_of(tmp_path / "known.toml", tmp_path)
    assert found["Pool"]["kwargs"] == {"units": 3}
    assert found["Pool"]["expected_failures"] == {
        "config.base": "named elsewhere",
        "batch.independent": "by design",
    }


@pytest.mark.parametrize("text", ["Pool = 3", "[Pool", "[tool.lamina.layers.Pool]\nunits = 3"])
def test_wrong_settings_are_refused(tmp_path, text):
    name = "pyproject.toml" if "tool" in text else "known.toml"
    (tmp_path / name).write_text(text)
    with pytest.raises(typer.BadParameter):
        settings_of(None if "tool" in text else tmp_path / name, tmp_path)


@pytest.mark.slow
def test_all_layers_of_a_file_are_checked_with_their_settings(lamina, tmp_path):
    (tmp_path / "two.py").write_text(
        LAYERS.split("class Hangs")[0].replace("import os\nimport time\n", "")
    )
    (tmp_path / "known.toml").write_text(
        '[SoftmaxOverBatch]\n"batch.independent" = "by design"\n'
        '[Clean]\n"forward.finite" = "long repaired"\n'
    )
    options = ["--expect", "known.toml", "--contracts", "batch.*,forward.finite", "--json"]
    code, out, _ = lamina("two.py", *options)
    reports = {r["target"]: r for r in json.loads(out)}
    status = {name: [r["status"] for r in report["results"]] for name, report in reports.items()}
    assert code == 1
    assert status == {
        "Clean": ["passed", "unexpected_pass"],
        "SoftmaxOverBatch": ["expected", "passed"],
    }


@pytest.mark.slow
def test_a_mode_that_kills_the_process_is_not_tried_again(lamina):
    options = ["--contracts", "forward.*,random.*,shape.*,infer.*", "--timeout", "20", "--json"]
    _, out, _ = lamina("mine.py:Dies", *SAMPLE, *options)
    results = json.loads(out)[0]["results"]
    assert [r["status"] for r in results].count("crashed") == 1
    assert any("not tried" in r["message"] for r in results)


@pytest.mark.slow
def test_the_script_fails_without_lamina(lamina, tmp_path):
    options = ["--contracts", "batch.independent", "--reproduce", "why.py"]
    code, _, _ = lamina("mine.py:SoftmaxOverBatch", *SAMPLE, *options)
    script = (tmp_path / "why.py").read_text()
    done = subprocess.run([sys.executable, tmp_path / "why.py"], capture_output=True, text=True)
    assert (code, done.returncode) == (1, 1)
    assert "AssertionError" in done.stderr
    assert "lamina" not in script.replace(str(tmp_path), "")
    assert len(script.splitlines()) <= 40


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
    from lamina_cli._check_targets import CannotRun, sample

    np.save(tmp_path / "x.npy", np.ones((2, 3)))
    assert sample(str(tmp_path / "x.npy")).shape == (2, 3)
    assert [x.shape for x in sample("[float32(3,4),int32(3)]")] == [(3, 4), (3,)]
    assert sample("int32(3,2)").dtype == "int32"
    with pytest.raises(CannotRun, match="--inputs must be shapes"):
        sample("three by four")
