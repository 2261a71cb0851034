"""The rules of the house that can be tested from outside."""

import ast
import importlib
import pathlib
import pkgutil
import re
import subprocess
import sys
import tomllib

import keras
import pytest

import lamina

SOURCE = pathlib.Path(__file__).resolve().parents[1] / "src"
MODULES = sorted(SOURCE.rglob("*.py"))
HEAVY = {"scipy", "pandas", "pyarrow", "wfdb", "matplotlib", "sklearn", "aeon", "typer", "jinja2"}


def modules_loaded_by(statement, after="import sys"):
    """The top-level packages that `statement` imports in a fresh process, once `after` has run."""
    code = f"{after}\nimport sys; before = set(sys.modules)\n{statement}\n"
    code += "print(' '.join({m.partition('.')[0] for m in set(sys.modules) - before}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=SOURCE
    )
    return set(done.stdout.splitlines()[-1].split())


def test_lamina_loads_keras_and_nothing_heavier():
    assert not modules_loaded_by("import lamina", after="import keras") & HEAVY


@pytest.mark.parametrize("package", ["lamina_cli", "lamina_pytest", "lamina_edge"])
def test_loads_neither_keras_nor_lamina(package):
    assert not modules_loaded_by(f"import {package}") & {"keras", "lamina", "tensorflow", "jax"}


def imports_of(path):
    """Every imported name: `a.b.c` for `from a.b import c`; a relative one has a dot first."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from (f"{module}.{alias.name}" for alias in node.names)


def all_imports():
    """(module below src, imported name) of all of src."""
    return [(path.relative_to(SOURCE), name) for path in MODULES for name in imports_of(path)]


def test_only_public_keras_and_no_relative_import():
    forbidden = ("keras.src", ".")
    wrong = [f"{path} imports {name}" for path, name in all_imports() if name.startswith(forbidden)]
    assert not wrong, "\n".join(wrong)


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


def owner_of_private(name):
    """The package whose own business a name is: `lamina.codec._table.rows` -> `lamina.codec`."""
    parts = name.split(".")
    for place, part in enumerate(parts):
        if part.startswith("_") and not part.startswith("__"):
            return ".".join(parts[:place])
    return None


def may_use_private(package, owner):
    """May a module of `package` use what is private to `owner`? Only inside its own top-level
    package and, in lamina, its own family, or one that it may import; all share `_common`.
    """
    owner = tuple(owner.split("."))
    if owner == ("lamina",) or owner[0] != "lamina":
        return package[0] == owner[0]
    return package[:2] == owner[:2] or (package[-1], owner[-1]) in ALLOWED


def test_what_is_private_to_a_package_is_used_there_alone():
    wrong = []
    for path, name in all_imports():
        package, owner = path.parent.parts, owner_of_private(name)
        if owner and not may_use_private(package, owner):
            wrong.append(f"{path} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_what_lamina_exports_is_there_and_public():
    for name in lamina.__all__:
        assert not name.startswith("_") or name == "__version__"
        assert hasattr(lamina, name)


def import_everything():
    for found in pkgutil.walk_packages(lamina.__path__, "lamina."):
        importlib.import_module(found.name)


def test_every_registered_class_is_exported_by_its_family():
    import_everything()
    registered = keras.saving.get_custom_objects()
    ours = {c for c in registered.values() if c.__module__.startswith("lamina.")}
    hidden = []
    for cls in ours:
        family = importlib.import_module(".".join(cls.__module__.split(".")[:2]))
        if cls.__name__ not in getattr(family, "__all__", ()):
            hidden.append(f"{cls.__module__}.{cls.__name__}")
    assert ours and not hidden, f"their family's __init__ does not export {sorted(hidden)}"


DOTTED = re.compile(r"(?<![.\w])lamina(?:_[a-z]+)?(?:\.\w+)+")
REGISTERED = re.compile(r"\blamina>\w+")
# `lamina.json`, the note beside an exported step; `lamina_detect.readers`, a group of entry points.
FILES = (".json", ".readers")


def strings_of(path):
    """Every string of a module, docstrings and parts of f-strings too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def resolves(name):
    """Does a dotted name lead to a module, or to something in one?"""
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def test_a_name_in_a_string_points_to_something():
    wrong = []
    for path in MODULES:
        for text in strings_of(path):
            wrong += [
                f"{path.relative_to(SOURCE)}: nothing is called {name}"
                for name in DOTTED.findall(text)
                if not name.endswith(FILES) and not resolves(name)
            ]
            wrong += [
                f"{path.relative_to(SOURCE)}: nothing is registered as {name}"
                for name in REGISTERED.findall(text)
                if keras.saving.get_registered_object(name) is None
            ]
    assert not wrong, "\n".join(wrong)


def test_the_dev_extra_brings_every_other_but_backends_and_ray():
    project = tomllib.loads((SOURCE.parent / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]

    def brought_by(extra):
        inner = re.findall(r"^lamina\[(.*)\]$", "\n".join(extras[extra]), re.MULTILINE)
        names = {name for names in inner for name in names.split(",")}
        return {extra}.union(*map(brought_by, names))

    assert brought_by("dev") | {"tensorflow", "jax", "torch", "ray"} >= set(extras)
