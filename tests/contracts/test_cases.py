"""The contracts find real bugs and leave correct layers alone."""

import importlib.util
import pathlib
import sys

import keras
import pytest

from lamina import check
from lamina.contracts import CONTRACTS
from tests.contracts.bugs import BUGS
from tests.contracts.good import GOOD

SHARED = pathlib.Path(__file__).resolve().parents[3] / "shared" / "layer-cases"
# Other backends run these eagerly, or know every length when they compile: there they work.
TENSORFLOW_ONLY = {
    "BatchArithmetic",
    "BranchesOnData",
    "ForTime",
    "LoopBatch",
    "LoopsOverRows",
    "NpInside",
    "NumpyInCall",
    "PositionFixed",
    "PowHalf",
    "PyIf",
    "StdPool",
    "TogglesItself",
    "WhileLoop",
    "ZerosOfBatch",
}
# PyTorch multiplies a half by a Python number in float32: 0 * -1e9 stays 0, where others get nan.
# It traces nothing, so nothing is kept from tracing.
NOT_ON_TORCH = {"HugeNegative", "KeepsWhatItTraced", "MaskBig"}


def shared(kind):
    return sorted((SHARED / kind).glob("*.py"))


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


# What is advice by itself, and a finding all the same.
ADVICE = {"argument.used", "mask.nan_padding"}


def broken_by(contracts, target, inputs, kwargs, traits):
    report = check(target, inputs, kwargs=kwargs, traits=traits, contracts=contracts)
    advised = {r.contract for r in report.results if r.status == "advice"}
    return set(report.broken) | (advised & ADVICE)


def one_for_each_contract():
    """Bugs that break all contracts between them: the quick suite looks for these."""
    chosen, broken = [], set()
    for name, (*_, contracts) in BUGS.items():
        if not broken.issuperset(contracts):
            chosen.append(name)
            broken.update(contracts)
    return chosen


QUICK = one_for_each_contract()


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in BUGS]
)
def test_finds_the_bug(name):
    if name in TENSORFLOW_ONLY and keras.backend.backend() != "tensorflow":
        pytest.skip("TensorFlow only")
    if name in NOT_ON_TORCH and keras.backend.backend() == "torch":
        pytest.skip("no bug on PyTorch")
    cls, kwargs, inputs, traits, contracts = BUGS[name]
    assert broken_by(list(contracts), cls, inputs, kwargs, traits)


# A tuple of states: Keras' RNN on JAX takes only a list where it gave one.
NOT_ON_JAX = {"CellTuple"}
# Twice the compilations of the test above it, which run for minutes there.
WITHOUT_TRAITS = pytest.mark.long if keras.backend.backend() == "jax" else pytest.mark.slow


@pytest.mark.slow
@pytest.mark.parametrize("name", GOOD)
def test_leaves_a_correct_layer_alone(name):
    if name in NOT_ON_JAX and keras.backend.backend() == "jax":
        pytest.skip("not correct on JAX")
    cls, kwargs, inputs, traits = GOOD[name]
    report = check(cls, inputs, kwargs=kwargs, traits=traits)
    assert report.ok, str(report)


@WITHOUT_TRAITS
@pytest.mark.parametrize("name", GOOD)
def test_breaks_no_universal_contract_without_its_traits(name):
    if name in NOT_ON_JAX and keras.backend.backend() == "jax":
        pytest.skip("not correct on JAX")
    cls, kwargs, inputs, _ = GOOD[name]
    report = check(cls, inputs, kwargs=kwargs)
    assert not [c for c in report.broken if CONTRACTS[c].universal], str(report)


@pytest.mark.slow
@pytest.mark.parametrize("path", shared("bugs"), ids=lambda p: p.stem)
def test_finds_a_shared_bug(path):
    backend = keras.backend.backend()
    if "import tensorflow" in path.read_text() and backend != "tensorflow":
        pytest.skip("it calls TensorFlow itself")
    case = load(path)
    if case.CONTRACT == ["shape.none_axes"] and backend == "torch":
        pytest.skip("every length is known when PyTorch runs a call")
    if case.CONTRACT == ["shape.none_batch"] and backend != "tensorflow":
        pytest.skip("the number of rows is known when a call runs or is compiled")
    (cls, kwargs), inputs = case.make()
    assert broken_by(case.CONTRACT, cls, inputs, kwargs, getattr(case, "TRAITS", None))


@pytest.mark.slow
@pytest.mark.parametrize("path", shared("good"), ids=lambda p: p.stem)
def test_a_shared_correct_layer_is_clean(path):
    case = load(path)
    (cls, kwargs), inputs = case.make()
    report = check(cls, inputs, kwargs=kwargs, traits=getattr(case, "TRAITS", None))
    assert report.ok, str(report)
    bare = check(cls, inputs, kwargs=kwargs)
    assert not [c for c in bare.broken if CONTRACTS[c].universal], str(bare)
