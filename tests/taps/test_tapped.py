"""Taps on models of every make, in eager and compiled code."""

import copy
import threading

import keras
import numpy as np
import pytest
from keras import ops

from lamina import Tap, Tapped, capture
from tests.support import to_numpy_tree
from tests.taps.models import POINTS, Block, Net, net, same

COMPILES = keras.backend.backend() != "torch"  # torch.compile takes a C++ compiler and a minute
JIT = [False, True] if COMPILES else [False]
JIT_SLOWLY = [False, pytest.param(True, marks=pytest.mark.slow)] if COMPILES else [False]


@pytest.mark.parametrize("path", POINTS)
def test_a_tap_is_what_the_layer_returned(path, rng):
    model, x = net(rng)
    seen = Tapped(model, path)(x)
    wanted = model.by_hand(x)
    assert list(seen) == ["output", path]
    same(seen[path], wanted[POINTS[path]])
    same(seen["output"], wanted["output"])


def test_every_call_of_a_shared_layer_and_its_inputs(rng):
    model, x = net(rng)
    shared = "blocks.1.shared"
    seen = Tapped(
        model,
        {
            "first": Tap(shared),
            "second": Tap(shared, call=1),
            "last": Tap(shared, call=-1),
            "all": Tap(shared, call="all"),
            "into": Tap(shared, call=1, at="input"),
            "start": Tap("blocks.0", at="input"),
        },
    )(x)
    wanted = model.by_hand(x)
    assert [*seen] == ["output", "first", "second", "last", "all", "into", "start"]
    for key, value in {
        "first": "once1",
        "second": "twice1",
        "last": "twice1",
        "into": "once1",
        "start": "input",
    }.items():
        same(seen[key], wanted[value])
    assert len(seen["all"]) == 2
    same(seen["all"][0], wanted["once1"])
    same(seen["all"][1], wanted["twice1"])


def test_sequential_functional_and_nested_models(rng):
    x = rng.standard_normal((3, 5)).astype("float32")
    inner = keras.Sequential([keras.layers.Dense(4, name="a"), keras.layers.ReLU(name="b")])
    inputs = keras.Input((5,))
    outer = keras.Model(inputs, keras.layers.Dense(2, name="c")(inner(inputs)))
    seen = Tapped(outer, [f"{inner.name}.a", "b", "c"])(x)
    a = inner.get_layer("a")(x)
    same(seen[f"{inner.name}.a"], a)
    same(seen["b"], ops.relu(a))
    same(seen["c"], seen["output"])
    same(Tapped(inner, "a")(x)["a"], a)


def test_a_model_never_called_is_built_and_captured_once(rng):
    x = rng.standard_normal((3, 5)).astype("float32")
    for model in (
        Net(),
        keras.Sequential([Block(4), keras.layers.Dense(2, name="out")]),
    ):
        path = "blocks.0.shared" if isinstance(model, Net) else "block.shared"
        path = path if isinstance(model, Net) else f"{model.layers[0].name}.shared"
        seen = Tapped(model, {"calls": Tap(path, call="all")})(x)
        assert len(seen["calls"]) == 2
        assert all(v.shape == (3, 4) for v in to_numpy_tree(seen["calls"]))


@pytest.mark.parametrize("jit", JIT)
def test_fit_and_predict_see_the_taps(jit, rng):
    model, x = net(rng, batch=16)
    tapped = Tapped(model, ["blocks.0", "nested.inside"])
    tapped.compile("sgd", loss={"output": "mse", "blocks.0": "mae"}, jit_compile=jit)
    target = {"output": np.zeros((16, 5)), "blocks.0": np.zeros((16, 4))}
    before = np.abs(to_numpy_tree(model.by_hand(x)["twice0"])).mean()
    losses = tapped.fit(x, target, epochs=8, batch_size=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    predicted = tapped.predict(x, batch_size=4, verbose=0)
    wanted = model.by_hand(x)
    assert np.abs(to_numpy_tree(wanted["twice0"])).mean() < before
    for key, name in {"output": "output", "blocks.0": "twice0", "nested.inside": "inside"}.items():
        np.testing.assert_allclose(
            predicted[key], ops.convert_to_numpy(wanted[name]), atol=1e-5, rtol=1e-5
        )


@pytest.mark.parametrize("jit", JIT_SLOWLY)
def test_training_with_taps_changes_no_weight_by_a_bit(jit, rng):
    x = rng.standard_normal((32, 5)).astype("float32")
    y = rng.standard_normal((32, 5)).astype("float32")
    trained = []
    for taps in ((), ["blocks.1.first", "nested.inside", "norm", "heads.a"]):
        keras.utils.set_random_seed(1)
        model = Net()
        model.build((None, 5))
        trainer = Tapped(model, taps) if taps else model
        trainer.compile("sgd", loss={"output": "mse"} if taps else "mse", jit_compile=jit)
        trainer.fit(x, {"output": y} if taps else y, epochs=2, batch_size=8, verbose=0)
        trained.append(model.get_weights())
    for plain, tapped in zip(*trained, strict=True):
        np.testing.assert_array_equal(plain, tapped)


def test_a_change_of_taps_takes_effect_at_once(rng):
    model, x = net(rng)
    tapped = Tapped(model, "norm")
    tapped.compile("sgd", loss={"output": "mse"})
    target = {"output": np.zeros((6, 5))}
    tapped.fit(x, target, verbose=0)
    assert set(tapped.predict(x, verbose=0)) == {"output", "norm"}
    tapped.taps = {"h": "heads.a", "i": Tap("nested", at="input")}
    assert set(tapped(x)) == {"output", "h", "i"}
    assert set(tapped.predict(x, verbose=0)) == {"output", "h", "i"}
    tapped.evaluate(x, target, verbose=0)
    steps = int(ops.convert_to_numpy(tapped.optimizer.iterations.value))
    tapped.fit(x, target, verbose=0)
    assert int(ops.convert_to_numpy(tapped.optimizer.iterations.value)) == steps + 1


def test_saves_and_loads(rng, tmp_path):
    model, x = net(rng)
    tapped = Tapped(model, {"h": Tap("blocks.1.shared", call=1, at="input"), "n": "norm"})
    tapped.compile("adam", loss={"output": "mse"}, jit_compile=False)
    tapped.fit(x, {"output": np.zeros((6, 5))}, verbose=0)
    before = to_numpy_tree(tapped(x))
    tapped.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    after = to_numpy_tree(loaded(x))
    assert loaded.taps == tapped.taps and loaded.compiled
    assert before.keys() == after.keys()
    for key in before:
        np.testing.assert_array_equal(after[key], before[key])


def test_weights_alone_load_into_a_fresh_one(rng, tmp_path):
    model, x = net(rng)
    Tapped(model, "norm").save_weights(tmp_path / "m.weights.h5")
    fresh = Tapped(Net(), "norm")
    fresh.build((None, 5))
    fresh.load_weights(tmp_path / "m.weights.h5")
    same(fresh(x)["norm"], model.by_hand(x)["norm"])


def test_inside_a_functional_model_and_after_deepcopy(rng):
    model, x = net(rng)
    inputs = keras.Input((5,))
    seen = Tapped(model, "blocks.0")(inputs)
    outer = keras.Model(inputs, [seen["output"], keras.layers.ReLU()(seen["blocks.0"])])
    wanted = model.by_hand(x)
    same(outer(x)[1], ops.relu(wanted["twice0"]))
    twin = copy.deepcopy(Tapped(model, "blocks.0"))
    same(twin(x)["blocks.0"], wanted["twice0"])


def test_quantized_layers(rng):
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="a")])
    model.get_layer("a").quantize("int8")
    x = rng.standard_normal((3, 8)).astype("float32")
    same(Tapped(model, "a")(x)["a"], model.get_layer("a")(x))


def test_a_layer_that_remats_itself_can_be_tapped(rng):
    with keras.RematScope(mode="full"):
        layer = keras.layers.Dense(3, name="a")
    model = keras.Sequential([keras.Input((4,)), layer])
    x = rng.standard_normal((2, 4)).astype("float32")
    tapped = Tapped(model, "a")
    tapped.compile("sgd", loss={"output": "mse", "a": "mse"}, run_eagerly=True)
    tapped.fit(x, {"output": np.zeros((2, 3)), "a": np.zeros((2, 3))}, verbose=0)
    np.testing.assert_allclose(
        tapped.predict(x, verbose=0)["a"], ops.convert_to_numpy(model(x)), atol=1e-6
    )


def test_masks_stay_on_what_is_tapped():
    model = keras.Sequential(
        [
            keras.layers.Embedding(5, 4, mask_zero=True, name="e"),
            keras.layers.LSTM(3, return_sequences=True),
            keras.layers.GlobalAveragePooling1D(),
        ]
    )
    codes = np.array([[1, 2, 0, 0]])
    longer = np.array([[1, 2, 0, 0, 0, 0]])
    pool = keras.layers.GlobalAveragePooling1D()
    short, long = (pool(Tapped(model, "e")(c)["e"]) for c in (codes, longer))
    np.testing.assert_allclose(ops.convert_to_numpy(short), ops.convert_to_numpy(long), atol=1e-6)


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore")  # the exporter warns of its own old calls
def test_exports_as_a_saved_model(rng, tmp_path):
    import tensorflow as tf

    model, x = net(rng)
    tapped = Tapped(model, ["blocks.0"])
    wanted = tapped.predict(x, verbose=0)
    tapped.export(tmp_path / "m", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "m"))
    got = loaded.serve(x)
    assert got.keys() == wanted.keys()
    for key in wanted:
        np.testing.assert_allclose(got[key].numpy(), wanted[key], atol=1e-6)


def graph_of_codes():
    """Integer codes by name in, a dict out."""
    codes = keras.Input((6,), dtype="int32", name="codes")
    hidden = keras.layers.Embedding(9, 3, name="e")(codes)
    pooled = keras.layers.GlobalAveragePooling1D(name="p")(hidden)
    return keras.Model({"codes": codes}, {"mean": pooled, "all": hidden})


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore")  # the exporter warns of its own old calls
def test_exports_nested_outputs_and_the_dtypes_and_names_of_inputs(tmp_path):
    import tensorflow as tf

    tapped = Tapped(graph_of_codes(), {"e": Tap("e", call="all")})
    assert tapped.built
    tapped.export(tmp_path / "m", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "m"))
    x = {"codes": tf.constant([[0, 1, 2, 3, 4, 8]])}
    got, wanted = loaded.serve(x), tapped(x)
    assert set(got) == {"e.0", "output.mean", "output.all"}
    np.testing.assert_allclose(got["e.0"], wanted["e"][0], atol=1e-6)
    np.testing.assert_allclose(got["output.mean"], wanted["output"]["mean"], atol=1e-6)


@pytest.mark.tensorflow
@pytest.mark.slow
def test_under_a_mirrored_strategy_on_two_devices():
    import subprocess
    import sys

    code = """
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
from lamina import Tapped
from tests.taps.models import Net, same
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = Net()
    model.build((None, 5))
    tapped = Tapped(model, ["blocks.0", "norm"])
    tapped.compile("sgd", loss={"output": "mse", "blocks.0": "mae"})
x = np.random.default_rng(0).standard_normal((16, 5)).astype("float32")
losses = tapped.fit(x, {"output": np.zeros((16, 5)), "blocks.0": np.zeros((16, 4))},
                    epochs=5, batch_size=8, verbose=0).history["loss"]
assert losses[-1] < losses[0], losses
print(sorted(tapped.predict(x, batch_size=8, verbose=0)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "['blocks.0', 'norm', 'output']"


def test_two_threads_do_not_see_each_others_taps(rng):
    model, x = net(rng)
    inside, done, seen = threading.Event(), threading.Event(), {}

    def other():
        with capture(model, {"b": Tap("norm", call="all")}) as values:
            model(x)
            inside.set()
            done.wait(30)
        seen["other"] = values

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(30)
    with capture(model, {"a": Tap("norm", call="all")}) as values:
        model(2 * x)
        model(3 * x)
    plain = keras.layers.Layer.__call__
    done.set()
    thread.join()
    assert len(values["a"]) == 2 and set(values) == {"a"}
    assert len(seen["other"]["b"]) == 1 and set(seen["other"]) == {"b"}
    same(seen["other"]["b"][0], model.by_hand(x)["norm"])
    assert keras.layers.Layer.__call__ is not plain, "the last scope gives the method back"
