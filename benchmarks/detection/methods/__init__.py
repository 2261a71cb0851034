"""The methods of the table of labelled series, by the names that the command line takes.

Each is a function of a `Series`; importing them imports neither Keras nor scikit-learn.
"""

import dataclasses
import functools
import hashlib
import os
import pathlib
from collections.abc import Callable

from benchmarks.detection._labelled import Series
from benchmarks.detection.methods._windows import CAUSAL, MODES, RETROSPECTIVE, Found
from benchmarks.detection.methods.clusters import kmeans_ad
from benchmarks.detection.methods.ensemble import ensemble
from benchmarks.detection.methods.matrix_profile import matrix_profile
from benchmarks.detection.methods.neighbours import sub_lof
from benchmarks.detection.methods.ours import lamina
from benchmarks.detection.methods.principal import sub_pca, t_squared
from benchmarks.detection.methods.simple import autoregression, chance, from_median

__all__ = ["CAUSAL", "METHODS", "MODES", "OURS", "RETROSPECTIVE", "Found", "Method", "method_of"]

OURS = "lamina"
HERE = pathlib.Path(__file__).parent
SOURCE = HERE.parents[2] / "src"
SHARED = (HERE / "_windows.py", HERE.parent / "_labelled.py")
# What a score of ours may depend on.
LIBRARY = ("lamina", "lamina_detect/_common", "lamina_detect/model")


@dataclasses.dataclass(frozen=True)
class Method:
    """`score` gives what it finds in a series; `version` changes with its code."""

    name: str
    score: Callable[[Series], Found]
    version: str


METHODS: dict[str, tuple[Callable[..., Found], tuple[str, ...]]] = {
    OURS: (lamina, ("ours.py",)),
    "ensemble": (ensemble, ("ensemble.py", "principal.py", "clusters.py", "simple.py")),
    "T2": (t_squared, ("principal.py",)),
    "sub-PCA": (sub_pca, ("principal.py",)),
    "KMeansAD": (kmeans_ad, ("clusters.py",)),
    "sub-LOF": (sub_lof, ("neighbours.py",)),
    "matrix-profile": (matrix_profile, ("matrix_profile.py",)),
    "AR": (autoregression, ("simple.py",)),
    "median": (from_median, ("simple.py",)),
    "random": (chance, ("simple.py",)),
}


@functools.cache  # the code that runs is that of the start, also where a file is edited meanwhile
def method_of(name: str, python: str) -> Method:
    """The method; `python`: the interpreter of what runs in a process of its own."""
    score, files = METHODS[name]
    if score is matrix_profile:
        score = functools.partial(matrix_profile, python=python)
    paths = [*SHARED, *(HERE / file for file in files)]
    if name == OURS:
        paths += sorted(p for part in LIBRARY for p in (SOURCE / part).rglob("*.py"))
        return Method(name, score, version_of(paths, os.environ.get("KERAS_BACKEND", "")))
    return Method(name, score, version_of(paths))


def version_of(paths: list[pathlib.Path], more: str = "") -> str:
    """A digest of these files' contents."""
    digest = hashlib.sha1(more.encode())
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
