"""The rules of the house that can be tested from outside."""

import ast
import pathlib
import subprocess
import sys

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[1] / "src"
MODULES = sorted(SOURCE.rglob("*.py"))
HEAVY = {"scipy", "pandas", "pyarrow", "wfdb", "matplotlib", "sklearn", "aeon", "typer", "jinja2"}


def modules_loaded_by(statement):
    code = f"{statement}\nimport sys; print(' '.join({{m.partition('.')[0] for m in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=SOURCE
    )
    return set(done.stdout.splitlines()[-1].split())


def test_lamina_loads_keras_and_nothing_heavier():
    beyond_keras = modules_loaded_by("import lamina") - modules_loaded_by("import keras")
    assert not beyond_keras & HEAVY


@pytest.mark.parametrize("package", ["lamina_cli", "lamina_pytest", "lamina_edge"])
def test_loads_neither_keras_nor_lamina(package):
    assert not modules_loaded_by(f"import {package}") & {"keras", "lamina", "tensorflow", "jax"}


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_only_public_keras_and_no_relative_import(path):
    for name in imports_of(path):
        assert not name.startswith("keras.src"), f"{path} imports {name}"
        assert name, f"{path} has a relative import"


FAMILIES = sorted(
    p.name for p in (SOURCE / "lamina").iterdir() if p.name[0].islower() and p.is_dir()
)
# quantize hands its table to a codec layer: `.decoder()`.
ALLOWED = {("quantize", "codec")}


@pytest.mark.parametrize("family", FAMILIES)
def test_families_do_not_import_each_other(family):
    for path in sorted((SOURCE / "lamina" / family).rglob("*.py")):
        for name in imports_of(path):
            parts = name.split(".")
            if parts[0] == "lamina" and len(parts) > 1 and parts[1] in FAMILIES:
                reached = parts[1]
                assert reached == family or (family, reached) in ALLOWED, f"{path} imports {name}"


@pytest.mark.parametrize("package", ["lamina", "lamina_detect", "lamina_edge"])
def test_arrows_point_one_way(package):
    below = {
        "lamina": {"lamina"},
        "lamina_detect": {"lamina", "lamina_detect"},
        "lamina_edge": {"lamina_edge"},
    }[package]
    for path in sorted((SOURCE / package).rglob("*.py")):
        for name in imports_of(path):
            top = name.partition(".")[0]
            assert not top.startswith("lamina") or top in below, f"{path} imports {name}"
            if package == "lamina_edge":
                assert top not in {"keras", "tensorflow"}


def test_detect_uses_only_the_public_api():
    for path in sorted((SOURCE / "lamina_detect").rglob("*.py")):
        for name in imports_of(path):
            if name.startswith("lamina."):
                assert "._" not in name, f"{path} imports {name}"


def test_each_family_folder_says_what_is_public():
    import lamina

    for name in lamina.__all__:
        assert not name.startswith("_") or name == "__version__"
        assert hasattr(lamina, name)
