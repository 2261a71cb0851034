"""`capture`: putting values in, the errors, and living with other patchers."""

import keras
import numpy as np
import pytest
from keras import ops

import lamina
from lamina import Tap, Tapped, capture, tap_names
from tests.taps.models import Net, net, same

CALL = keras.layers.Layer.__call__


def test_calls_count_from_the_start_of_the_scope(rng):
    model, x = net(rng)
    with capture(model, {"real": "norm", "fake": Tap("norm", call=1)}) as seen:
        model(x)
        model(2 * x)
    same(seen["real"], model.by_hand(x)["norm"])
    same(seen["fake"], model.by_hand(2 * x)["norm"])


def test_scopes_nest(rng):
    model, x = net(rng)
    with capture(model, "norm") as outer, capture(model, {"n": "norm"}) as inner:
        model(x)
    same(outer["norm"], inner["n"])


def test_modify_replaces_what_flows_on(rng):
    model, x = net(rng)
    with capture(model, "norm", modify={"norm": lambda v: v * 0}) as seen:
        y = model(x)
    assert not ops.convert_to_numpy(seen["norm"]).any()
    biases = np.concatenate([ops.convert_to_numpy(model.heads[k].bias) for k in "ab"])
    np.testing.assert_array_equal(ops.convert_to_numpy(y), np.tile(biases, (len(x), 1)))


def test_modify_at_one_call_at_an_input_and_by_one_function(rng):
    model, x = net(rng)
    taps = {"in": Tap("blocks.1", at="input"), "second": Tap("blocks.0.shared", call=1)}
    with capture(model, taps, modify=lambda key, v: -v if key == "in" else v + 1) as seen:
        model(x)
    wanted = model.by_hand(x)
    same(seen["second"], wanted["twice0"] + 1)
    same(seen["in"], -(wanted["twice0"] + 1))


def test_modify_by_a_path_that_is_not_tapped(rng):
    model, x = net(rng)
    with capture(model, "blocks.1.first", modify={"blocks.0": ops.zeros_like}) as seen:
        model(x)
    bias = ops.convert_to_numpy(model.blocks[1].first.bias)
    same(seen["blocks.1.first"], np.tile(bias, (len(x), 1)))


@pytest.mark.parametrize(
    "function", [lambda v: v[:, :1], lambda v: ops.cast(v, "int32"), lambda v: [v], lambda v: None]
)
def test_modify_must_keep_shapes_and_dtypes(function, rng):
    model, x = net(rng)
    with pytest.raises(ValueError, match=r"must keep the shapes and dtypes at `norm`"):
        with capture(model, (), modify={"norm": function}):
            model(x)


def test_a_modification_that_never_happened_is_an_error(rng):
    model, x = net(rng)
    with pytest.raises(ValueError, match=r"`spare` \(ReLU\) never fired"):
        with capture(model, (), modify={"spare": ops.zeros_like}):
            model(x)


COMPILES = keras.backend.backend() != "torch"


@pytest.mark.skipif(not COMPILES, reason="PyTorch predicts eagerly: the scope sees it")
def test_a_scope_around_predict_names_the_way_out_and_leaves_no_modification(rng):
    for modify in (None, {"norm": ops.zeros_like}):
        model, x = net(rng)
        with pytest.raises(ValueError, match=r"`norm`[\s\S]*compiled function[\s\S]*lamina.Tapped"):
            with capture(model, "norm", modify):
                model.predict(x, verbose=0)
        np.testing.assert_allclose(
            model.predict(x, verbose=0), ops.convert_to_numpy(model(x)), atol=1e-6
        )
        with pytest.raises(ValueError, match=r"compiled before[\s\S]*lamina.Tapped"):
            with capture(model, (), modify or {"norm": ops.zeros_like}):
                model.predict(x, verbose=0)


SLOWLY = pytest.param(True, marks=pytest.mark.slow)


@pytest.mark.parametrize("jit", [False, SLOWLY] if COMPILES else [False])
def test_modify_in_a_compiled_step(jit, rng):
    model, x = net(rng)

    @keras.saving.register_keras_serializable(package="lamina_tests")
    class Negated(keras.Model):
        def __init__(self):
            super().__init__()
            self.net = model

        def call(self, x):
            with capture(self.net, (), modify={"blocks.1": lambda v: -v}):
                return self.net(x)

    trainer = Negated()
    trainer.compile("sgd", "mse", jit_compile=jit)
    with capture(model, (), modify={"blocks.1": lambda v: -v}):
        wanted = model(x)
    np.testing.assert_allclose(
        trainer.predict(x, verbose=0), ops.convert_to_numpy(wanted), atol=1e-5
    )
    trainer.fit(x, np.zeros((6, 5)), verbose=0)
    assert np.isfinite(trainer.evaluate(x, np.zeros((6, 5)), verbose=0))


def test_modify_cannot_know_the_last_call(rng):
    model, _ = net(rng)
    with pytest.raises(ValueError, match="which is last is known only afterwards"):
        capture(model, Tap("norm", call=-1), modify=lambda key, v: v)


def test_stop_gradient_lets_none_flow_back(rng):
    model, x = net(rng)

    def through(stop):
        def score(x):
            with capture(model, Tap("blocks.0", stop_gradient=stop)) as seen:
                model(x)
            return seen["blocks.0"]

        return ops.convert_to_numpy(lamina.input_gradient(score, x))

    assert through(False).any()
    assert not through(True).any()


def test_an_unrolled_cell_shows_every_step(rng):
    series = rng.standard_normal((2, 4, 3)).astype("float32")
    rnn = keras.layers.SimpleRNN(2, unroll=True, return_sequences=True, name="rnn")
    model = keras.Sequential([keras.Input((4, 3)), rnn])
    seen = Tapped(model, {"steps": Tap("rnn.cell", call="all")})(series)
    steps = ops.stack([step[0] for step in seen["steps"]], 1)
    same(steps, seen["output"])


def test_another_patcher_under_on_top_and_in_between(rng):
    model, x = net(rng)
    counts = {"under": 0, "over": 0}

    def patch(name):
        before = keras.layers.Layer.__call__

        def __call__(self, *args, **kwargs):
            counts[name] += self is model
            return before(self, *args, **kwargs)

        keras.layers.Layer.__call__ = __call__
        return before

    original = patch("under")
    with capture(model, {"n": Tap("norm", call="all")}) as first:
        ours = patch("over")
        model(x)
    model(x)
    with capture(model, {"n": Tap("norm", call="all")}) as second:
        model(x)
    assert counts == {"under": 3, "over": 3}
    assert len(first["n"]) == 1 and len(second["n"]) == 1
    keras.layers.Layer.__call__ = ours  # the upper one goes, by what it had found
    model(x)
    with capture(model, {"n": Tap("norm", call="all")}) as third:
        model(x)
    assert counts == {"under": 5, "over": 3}
    assert len(third["n"]) == 1
    keras.layers.Layer.__call__ = original


def test_a_patcher_that_takes_ours_out_is_named(rng):
    model, x = net(rng)
    with pytest.raises(ValueError, match=r"Another patch of `Layer\.__call__`"):
        with capture(model, "norm"):
            keras.layers.Layer.__call__ = CALL
            model(x)


def test_nothing_is_installed_when_no_scope_is_open(rng):
    model, x = net(rng)
    with pytest.raises(ZeroDivisionError), capture(model, "norm"):
        model(x)
        1 / 0  # noqa: B018
    Tapped(model, "norm")(x)
    assert keras.layers.Layer.__call__ is CALL
    with capture(model, ()):
        assert keras.layers.Layer.__call__ is CALL


@pytest.mark.parametrize(
    ("taps", "message"),
    [
        ({"output": "norm"}, "the model's own output"),
        (["norm", "norm"], "Give them aliases"),
        (3, "`taps` must be"),
        ([3], "a tap must be"),
    ],
)
def test_bad_taps(taps, message, rng):
    model, _ = net(rng)
    with pytest.raises((ValueError, TypeError), match=message):
        Tapped(model, taps)


@pytest.mark.parametrize("bad", [{"call": -2}, {"call": "last"}, {"call": True}, {"at": "middle"}])
def test_bad_tap_arguments(bad):
    with pytest.raises(ValueError, match="must be"):
        Tap("norm", **bad)


@pytest.mark.parametrize(
    "use",
    [
        lambda f: Tapped(f, "a"),
        lambda f: capture(f, "a"),
        lambda f: tap_names(f, np.ones((1, 2))),
        lambda f: lamina.tap_summary(f, np.ones((1, 2))),
        lambda f: lamina.tap_gradients(f, "a", np.ones((1, 2)), lambda y: y),
    ],
)
def test_what_is_no_model_is_refused(use):
    with pytest.raises(TypeError, match="`model` must be a Keras layer"):
        use(lambda x: x)


@pytest.mark.parametrize(
    "use",
    [
        lambda model, x: tap_names(model, x),
        lambda model, x: lamina.tap_gradients(model, "a", x, lambda y: y),
        lambda model, x: Tapped(model, "a")(x),
        lambda model, x: lamina.tap_summary(model, x),
    ],
)
def test_inputs_of_another_shape_are_refused_in_terms_of_the_model(use):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="a")])
    with pytest.raises(ValueError, match="expected axis -1") as caught:
        use(model, np.ones((2, 9), "float32"))
    assert "_Call" not in str(caught.value)


def test_names_are_what_a_forward_pass_calls(rng):
    model, x = net(rng)
    names = {row.path: row for row in tap_names(model, keras.KerasTensor((None, 5)))}
    assert names["blocks.0.shared"].calls == 2
    assert names["blocks.0.shared"].shape == (None, 4)
    assert names["heads.b"].shape == (None, 3)
    assert names["nested.inside"].layer == "Dense" and names["nested.inside"].dtype == "float32"
    assert "spare" not in names
    seen = Tapped(model, list(names))(x)
    assert len(seen) == len(names) + 1


def test_names_build_a_model_and_refuse_inputs_of_another_structure(rng):
    model = Net()
    assert (
        next(row.path for row in tap_names(model, np.ones((2, 5), "float32"))) == "blocks.0.first"
    )
    with pytest.raises(ValueError, match="cannot be called on `inputs`"):
        tap_names(model, {"x": np.ones((2, 5)), "z": np.ones((2, 1))})


@pytest.mark.parametrize("nested", [lambda x: {"x": x}, lambda x: [x, x]], ids=["dict", "list"])
def test_inputs_of_another_structure_are_told_in_terms_of_the_model(nested, rng):
    model, x = net(rng)
    inputs = nested(x)
    looking = [
        lambda x: Tapped(model, "norm")(x),
        lambda x: lamina.tap_summary(model, x),
        lambda x: lamina.tap_gradients(model, "norm", x, lambda y: y["a"]),
    ]
    for look in looking:
        with pytest.raises(ValueError, match="`inputs` must have the structure that net"):
            look(inputs)
