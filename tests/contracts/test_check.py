"""What `check` promises beside its verdicts."""

import base64
import pathlib
import random
import re

import keras
import numpy as np
import pytest
from keras import layers, ops

from lamina import CheckError, check, contracts
from lamina.contracts import CONTRACTS, Traits, probes
from lamina.contracts._reproduce import _values
from lamina.contracts._scripts import SCRIPTS
from lamina.contracts.harness import packed

X = np.random.default_rng(0).standard_normal((3, 4)).astype("float32")


class Noisy(layers.Layer):
    """Prints, and sets seeds and the policy."""

    def call(self, x):
        print("noise")
        np.random.seed(3)  # noqa: NPY002
        random.seed(3)
        keras.config.set_dtype_policy("float32")
        return x * 2


class Refuses(layers.Layer):
    def __init__(self, stage, **kwargs):
        super().__init__(**kwargs)
        self.stage = stage
        if stage == "constructed":
            raise RuntimeError("no such thing")

    def build(self, shape):
        if self.stage == "built":
            raise RuntimeError("no such thing")

    def call(self, x):
        raise RuntimeError("no such thing")


class SoftmaxOverBatch(layers.Layer):
    def call(self, x):
        return ops.softmax(x, axis=0)


def test_global_state_is_left_as_it_was(capsys):
    keras.config.set_dtype_policy("mixed_bfloat16")
    np.random.seed(11)  # noqa: NPY002
    random.seed(11)
    before = np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    check(Noisy, X, contracts=["random.*", "dtype.policy", "forward.finite"])
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before  # noqa: NPY002
    assert keras.config.dtype_policy().name == "mixed_bfloat16"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("stage", ["constructed", "built", "called"])
def test_what_cannot_run_says_which_stage_and_the_layers_own_message(stage):
    with pytest.raises(CheckError, match=f"could not be {stage}.*no such thing"):
        check(Refuses, X, kwargs={"stage": stage})


def test_an_instance_is_not_changed():
    layer = layers.Dense(2)
    layer.build((None, 4))
    before = [np.array(w) for w in layer.get_weights()]
    check(layer, X, contracts="fast")
    for one, other in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert layer.trainable


def test_the_counter_example_is_small_and_names_the_row():
    result = check(SoftmaxOverBatch, X)["batch.independent"]
    assert result.status == "broken"
    assert {"row", "at", "one", "other"} <= set(result.example)
    assert "float32(2, 1)" in result.example["inputs"]
    assert "declare it or fix it" in result.hint


def test_a_known_break_is_expected_and_a_fixed_one_is_not():
    known = check(SoftmaxOverBatch, X, expected_failures={"batch.independent": "by design"})
    assert known.ok
    assert known["batch.independent"].status == "expected"
    fixed = check(layers.Dense, X, kwargs={"units": 2}, contracts=["batch.independent"],
                   expected_failures={"batch.independent": "by design"})  # fmt: skip
    assert not fixed.ok
    assert fixed["batch.independent"].status == "unexpected_pass"


def test_causes_hide_no_broken_contract():
    report = check(SoftmaxOverBatch, X)
    grouped = [c for cause in report.causes for c in (cause, *cause.consequences)]
    assert sorted(c.contract for c in grouped) == sorted(report.broken)


def test_guessed_inputs_are_marked_provisional():
    report = check(layers.Dense, kwargs={"units": 2}, contracts=["forward.finite"])
    assert report.provisional
    assert all(result.provisional for result in report.results)


@pytest.mark.parametrize(
    "traits",
    [{"maks": "create"}, {"mask": "sometimes"}, {"variable_axes": (0,)}, {"int_range": (3, 1)}],
)
def test_a_wrong_trait_is_refused(traits):
    with pytest.raises(ValueError, match="Received"):
        Traits.of(traits)


def test_an_unknown_contract_is_refused():
    with pytest.raises(ValueError, match="Received"):
        check(layers.Dense, X, kwargs={"units": 2}, contracts=["no.such"])


def test_every_contract_states_its_failure_and_names_what_exists():
    traits = set(Traits().__dataclass_fields__)
    for contract in CONTRACTS.values():
        assert contract.ask.__doc__
        assert set(contract.follows) <= set(CONTRACTS)
        assert {contract.excused_by, contract.needs} - {None} <= traits


def test_no_contract_is_lost():
    folder = pathlib.Path(probes.__file__).parent
    written = [
        found[1]
        for path in folder.glob("*.py")
        for found in re.finditer(r'@contract\(\s*"([^"]+)"', path.read_text())
    ]
    assert sorted(CONTRACTS) == sorted(written)


def test_probes_share_the_harness_and_nothing_else():
    root = pathlib.Path(contracts.__file__).parent
    for path in [*root.glob("harness/*.py"), *root.glob("probes/_[a-z]*.py")]:
        assert "from lamina.contracts.probes" not in path.read_text(), path


class WrongInitializer(keras.initializers.Initializer):
    def __init__(self, seed=None):
        self.seed = seed

    def __call__(self, shape, dtype=None):
        return keras.random.normal(shape, seed=0)

    def get_config(self):
        return {"seed": self.seed}


def test_initializers():
    assert check(keras.initializers.GlorotUniform, kwargs={"seed": 1}).ok
    assert check(WrongInitializer, kwargs={"seed": 1}).broken == ["initializer.honoured"]


class Halves(layers.Layer):
    def __init__(self, inner, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner

    def call(self, x):
        return self.inner(x) / 2


def test_a_layer_among_the_arguments_is_left_as_it_was():
    inner = layers.Dense(3)
    check(Halves, X, kwargs={"inner": inner}, contracts=["dtype.*", "portable.*"])
    assert not inner.built


@pytest.mark.parametrize("contract", SCRIPTS)
def test_a_script_has_at_most_40_lines_and_compiles(contract):
    case = contracts.open_case(SoftmaxOverBatch, X, {})
    result = contracts.Result(contract, "broken", "why, in training", sample=packed(X))
    script = contracts.Report("Mine", "tensorflow", "", False, [result], case).reproduce()
    assert len(script.splitlines()) <= 40
    compile(script, contract, "exec")


class DividesByStd(layers.Layer):
    def call(self, x):
        return (x - ops.mean(x, 1, keepdims=True)) / ops.std(x, 1, keepdims=True)


def test_a_smaller_sample_must_tell_the_same_story():
    report = check(DividesByStd, X, contracts=["forward.finite"])
    assert "for zeros" in report["forward.finite"].message
    assert report["forward.finite"].example["point"] == "zeros"


class CountsAndMixesRows(layers.Layer):
    """Two defects: the counter does not bring about the mean over the batch."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.calls = 0

    def call(self, x):
        self.calls += 1
        return x - ops.mean(x, axis=(0, 1))


def test_a_defect_is_not_hidden_under_another_ones_cause():
    asked = ["state.no_python_mutation", "batch.independent"]
    report = check(CountsAndMixesRows, X, contracts=asked)
    assert [cause.contract for cause in report.causes] == ["batch.independent", asked[0]]


class Fails(layers.Layer):
    def call(self, x, training=False):
        return ops.reshape(x, (7, 7)) if training else x


def test_a_failure_names_the_layers_own_line():
    result = check(Fails, X, contracts=["forward.finite"])["forward.finite"]
    assert "test_check.py, line" in result.where
    assert "ops.reshape(x, (7, 7))" in result.where


class TakesNoName(layers.Layer):
    def __init__(self, units=2):
        super().__init__()
        self.units = units

    def call(self, x):
        return x * self.units


def test_a_failed_from_config_says_why():
    report = check(TakesNoName, X, contracts=["config.roundtrip"])
    assert "got an unexpected keyword argument" in report["config.roundtrip"].message


class ReturnsCounts(layers.Layer):
    def call(self, x):
        return [x, [1, 2], [3]]


def test_python_numbers_in_the_output_are_told_in_one_sentence():
    with pytest.raises(CheckError, match="returns a Python int"):
        check(ReturnsCounts, X)


class Late(BaseException):
    pass


class TimesOut(layers.Layer):
    def call(self, x, training=False):
        if training:
            raise Late
        return x


def test_a_users_own_time_out_goes_through():
    with pytest.raises(Late):
        check(TimesOut, X, contracts=["forward.finite"])


def test_a_hint_names_a_trait_only_where_declaring_it_helps():
    hint = check(SoftmaxOverBatch, X, contracts=["batch.independent"])["batch.independent"].hint
    assert "batch_coupled='always'" in hint


class TakesTooLong(layers.Layer):
    def call(self, x, training=False):
        if training:
            raise TimeoutError("the user's own alarm")
        return x


def test_a_time_out_of_the_user_ends_the_check():
    with pytest.raises(TimeoutError, match="own alarm"):
        check(TakesTooLong, X, contracts="forward.finite")


def test_a_script_holds_samples_that_are_not_finite():
    values = np.array([[np.nan, np.inf, 1.0]], "float32")
    names = {"np": np, "base64": base64}
    np.testing.assert_array_equal(eval(_values(values), names), values)
    np.testing.assert_array_equal(eval(_values(values[:, 2:]), names), values[:, 2:])
