"""The examples in docstrings and in the documents run as written."""

import ast
import doctest
import importlib
import pathlib
import re

import keras
import numpy as np
import pytest

import lamina

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"```(?:python|\{\.python([^\n}]*)\})\n(.*?)```", re.DOTALL)


def modules():
    """The modules that show examples; the command line and the pytest plugin show commands."""
    for package in ("lamina", "lamina_detect", "lamina_edge"):
        for path in (ROOT / "src" / package).rglob("*.py"):
            if ">>>" in path.read_text():
                parts = path.relative_to(ROOT / "src").with_suffix("").parts
                yield ".".join(parts).removesuffix(".__init__")


def examples(name):
    """Those docstrings of a module that have examples."""
    module = importlib.import_module(name)
    found = doctest.DocTestFinder(recurse=True).find(module, name)
    return [test for test in found if test.examples]


def plain(value):
    """Tensors and arrays as nested lists of Python numbers."""
    if keras.ops.is_tensor(value) or isinstance(value, keras.Variable):
        value = keras.ops.convert_to_numpy(value)
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return value


def same(got, want):
    """Does the value equal what the docstring shows, numbers to the digits that it shows?"""
    got = plain(got)
    try:
        shown = ast.literal_eval(re.sub(r"\bnan\b", "'nan'", want.strip()))
    except (ValueError, SyntaxError):
        return str(got).split() == want.split() or repr(got).split() == want.split()
    as_nan = np.array(shown, dtype=object)
    as_nan[as_nan == "nan"] = np.nan
    try:
        return np.allclose(
            np.array(got, "float64"), as_nan.astype("float64"), atol=1e-3, equal_nan=True
        )
    except (ValueError, TypeError):
        return got == plain(shown)


def run(test):
    scope = {**test.globs, "np": np, "keras": keras, "lamina": lamina}
    for example in test.examples:
        where = f"{test.name}, line {example.lineno + 1}: {example.source.strip()}"
        tree = ast.parse(example.source)
        if example.want and isinstance(tree.body[-1], ast.Expr):
            got = eval(compile(example.source.strip(), where, "eval"), scope)
            assert same(got, example.want), f"{where}\n got {got!r}\nwant {example.want}"
        else:
            exec(compile(example.source, where, "exec"), scope)


@pytest.mark.parametrize("name", sorted(modules()))
def test_docstring_examples(name):
    found = examples(name)
    assert found
    for test in found:
        run(test)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_document_runs_as_written(path, tmp_path, monkeypatch):
    """All ```python blocks of a document, in order, in one namespace; a block marked
    ```{.python .tensorflow} (or jax, torch) runs on that backend only, ```{.python .no-run} never.
    """
    monkeypatch.chdir(tmp_path)
    scope = {"__name__": "document"}
    for marks, source in FENCE.findall(path.read_text()):
        marks = {mark.removeprefix(".") for mark in marks.split()}
        backends = marks & {"tensorflow", "jax", "torch"}
        if "no-run" in marks or (backends and keras.backend.backend() not in backends):
            continue
        exec(compile(source, str(path), "exec"), scope)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_python_block_is_overlooked(path):
    text = path.read_text()
    assert len(re.findall(r"^ *```\W*python", text, re.MULTILINE)) == len(FENCE.findall(text))
