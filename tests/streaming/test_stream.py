"""What a stream is besides exact: its state, its resets, its errors."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers, ops

import lamina
from tests.streaming.cases import ALL, STRIDED, WindowMax, inputs_of, residual, stack
from tests.support import all_close, to_numpy_tree


def reach(model, rng, time=40):
    """How far back the last output depends on the input, found by changing each sample."""
    x = inputs_of(model, rng, 1, time)
    last = ops.convert_to_numpy(model(x))[:, -1]
    for t in range(time):
        moved = x.copy()
        moved[:, t] += 1.0
        if not np.array_equal(ops.convert_to_numpy(model(moved))[:, -1], last):
            return time - t
    return 0


SLOW_REACH = ["conv", "separable", "lags", "average"]


@pytest.mark.parametrize(
    "name", ["residual", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW_REACH)]
)
def test_receptive_field_is_what_changing_samples_finds(name, rng):
    model = ALL[name]()
    for weight in model.weights:
        weight.assign(0.2 * np.abs(rng.standard_normal(weight.shape)))
    assert lamina.Stream(model).receptive_field == reach(model, rng)


def test_receptive_field_counts_strides_and_recurrence():
    assert lamina.Stream(STRIDED["twice"]()).receptive_field == 3 + 2 * 2 + 1 * 6
    assert lamina.Stream(ALL["gru"]()).receptive_field == float("inf")


def test_step_is_a_push_of_one_sample(rng):
    model = residual()
    x = inputs_of(model, rng, 2, 5)
    pushed, stepped = lamina.Stream(model, 2), lamina.Stream(model, 2)
    for t in range(5):
        y = ops.convert_to_numpy(stepped.step(x[:, t]))
        assert np.array_equal(y, ops.convert_to_numpy(pushed.push(x[:, t : t + 1]))[:, 0])


def test_an_empty_push_changes_nothing(rng):
    stream = lamina.Stream(residual(), 2)
    before = stream.state
    y = ops.convert_to_numpy(stream.push(np.zeros((2, 0, 4), "float32")))
    assert y.shape == (2, 0, 6)
    assert all(np.array_equal(before[key], value) for key, value in stream.state.items())


@pytest.mark.parametrize("make", [residual, STRIDED["strided"]])
def test_a_peek_is_the_push_and_leaves_the_stream_where_it_is(make, rng):
    model = make()
    x = inputs_of(model, rng, 2, 24)
    peeked, plain = lamina.Stream(model, batch_size=2), lamina.Stream(model, batch_size=2)
    for start, stop in ((0, 5), (5, 12), (12, 24)):
        before = peeked.state
        ahead = peeked.peek(x[:, start:stop])
        assert all(np.array_equal(v, before[k]) for k, v in peeked.state.items())
        want = plain.push(x[:, start:stop])
        for got in (ahead, peeked.push(x[:, start:stop])):
            all_close(ops.convert_to_numpy(got), ops.convert_to_numpy(want), 0)


def test_weights_trained_further_show_at_once(rng):
    model = residual()
    stream = lamina.Stream(model, 2)
    x = inputs_of(model, rng, 2, 6)
    stream.push(x), stream.step(x[:, 0])
    for weight in model.weights:
        weight.assign(weight + 0.1)
    stream.reset()
    pieces = [stream.push(x[:, :5]), stream.push(x[:, 5:])]
    got = np.concatenate([ops.convert_to_numpy(y) for y in pieces], axis=1)
    all_close(got, ops.convert_to_numpy(model(x)), 1e-6)


def test_the_model_is_left_as_it_was():
    model = residual()
    nodes = [len(layer.output.shape) for layer in model.layers]
    lamina.Stream(model)
    assert [len(layer.output.shape) for layer in model.layers] == nodes
    assert model.layers[1].output is model.layers[1].output


def test_a_compiled_model_with_a_strange_loss_streams(rng):
    model = residual()
    model.compile(loss=lambda y, z: ops.mean(y - z))
    assert lamina.Stream(model).push(inputs_of(model, rng, 1, 2)).shape == (1, 2, 6)


def test_reset_of_some_rows_leaves_the_others(rng):
    model = ALL["gru"]()
    x = inputs_of(model, rng, 3, 4)
    stream = lamina.Stream(model, 3)
    stream.push(x)
    kept = stream.state
    stream.reset([1])
    key = next(k for k in kept if "#" in k)
    assert np.array_equal(stream.state[key][[0, 2]], kept[key][[0, 2]])
    assert not stream.state[key][1].any()


def test_rows_of_a_strided_stream_start_again_together(rng):
    stream = lamina.Stream(STRIDED["strided"](), 2)
    stream.push(np.zeros((2, 3, 4), "float32"))
    with pytest.raises(ValueError, match="Some rows cannot start again here"):
        stream.reset([0])


CONTINUE = """
import sys, numpy as np, keras, lamina
from tests.streaming.cases import WindowMax
folder = sys.argv[1]
stream = lamina.Stream(keras.saving.load_model(folder + "/model.keras"), 2)
stream.load_state(np.load(folder + "/state.npz"))
y = stream.push(np.load(folder + "/x.npy"))
np.save(folder + "/y.npy", keras.ops.convert_to_numpy(y))
"""


def remembering():
    return stack(
        layers.Conv1D(5, 3, padding="causal"), WindowMax(3), layers.GRU(3, return_sequences=True)
    )


def test_state_goes_on_with_the_loaded_model_to_the_bit(rng, tmp_path):
    model = remembering()
    x = inputs_of(model, rng, 2, 9)
    stream = lamina.Stream(model, 2)
    stream.push(x[:, :4])
    np.savez(tmp_path / "state.npz", **stream.state)
    model.save(tmp_path / "model.keras")
    want = to_numpy_tree(stream.push(x[:, 4:]))
    later = lamina.Stream(keras.saving.load_model(tmp_path / "model.keras"), 2)
    later.load_state(np.load(tmp_path / "state.npz"))
    assert np.array_equal(to_numpy_tree(later.push(x[:, 4:])), want)


@pytest.mark.slow
def test_state_goes_on_in_another_process_to_the_bit(rng, tmp_path):
    model = remembering()
    x = inputs_of(model, rng, 2, 9)
    stream = lamina.Stream(model, 2)
    stream.push(x[:, :4])
    np.savez(tmp_path / "state.npz", **stream.state)
    np.save(tmp_path / "x.npy", x[:, 4:])
    model.save(tmp_path / "model.keras")
    want = ops.convert_to_numpy(stream.push(x[:, 4:]))
    subprocess.run([sys.executable, "-c", CONTINUE, str(tmp_path)], check=True)
    assert np.array_equal(np.load(tmp_path / "y.npy"), want)


def test_state_names_say_layer_call_and_part():
    names = set(lamina.Stream(ALL["nested_and_shared"]()).state)
    assert {"format", "fingerprint"} < names
    calls = [name for name in names if name.endswith("/past") and "window_max" in name]
    assert sorted(name.partition("#")[2] for name in calls) == ["0/past", "1/past", "2/past"]


def named(units=4, size=3, dilation=2, kind=layers.GRU, last=2):
    """Models whose layers have the same names."""
    return stack(
        layers.Conv1D(units, size, padding="causal", dilation_rate=dilation, name="look"),
        kind(3, return_sequences=True, name="remember"),
        layers.Dense(last, name="head"),
    )


@pytest.mark.parametrize(
    "other",
    [
        dict(kind=layers.SimpleRNN),
        dict(units=5),
        dict(last=3),
        dict(size=5, dilation=1),  # it keeps as many samples
    ],
)
def test_state_of_another_model_is_refused(other):
    state = lamina.Stream(named(), 2).state
    lamina.Stream(named(), 2).load_state(state)
    with pytest.raises(ValueError, match="`state` is of another model: its fingerprint must be"):
        lamina.Stream(named(**other), 2).load_state(state)


def test_state_of_another_version_is_refused():
    stream = lamina.Stream(residual(), 2)
    for version in ({"format": np.asarray(99)}, {"format": np.asarray(0)}):
        with pytest.raises(ValueError, match="another version of lamina: its format must be 1"):
            stream.load_state({**stream.state, **version})
    with pytest.raises(ValueError, match="Received: format=None"):
        stream.load_state({k: v for k, v in stream.state.items() if k != "format"})


@pytest.mark.parametrize("batch", [1, 3])
def test_state_of_another_batch_size_is_refused(batch):
    stream = lamina.Stream(residual(), 2)
    before = stream.state
    with pytest.raises(ValueError, match=r"another batch size: .* must have the shape \(2, "):
        stream.load_state(lamina.Stream(stream.model, batch).state)
    assert all(np.array_equal(before[key], value) for key, value in stream.state.items())


def test_state_without_a_part_is_refused():
    stream = lamina.Stream(residual(), 2)
    key = next(k for k in stream.state if "#" in k)
    with pytest.raises(ValueError, match="must have the stream's own names"):
        stream.load_state({k: v for k, v in stream.state.items() if k != key})


@pytest.mark.parametrize("units", [2, 4])
def test_what_is_trained_by_fit_shows_at_once_and_keeps_the_state(units, rng):
    model = named(units)
    x = inputs_of(model, rng, 2, 8)
    stream = lamina.Stream(model, 2)
    before = to_numpy_tree(stream.push(x))
    kept = stream.state
    model.compile(keras.optimizers.SGD(0.5), "mse")
    model.fit(x, np.ones((2, 8, 2), "float32"), verbose=0)
    want = to_numpy_tree(model(x))
    assert np.abs(want - before).max() > 1e-3
    stream.load_state(kept)  # the same model still
    stream.reset()
    got = np.concatenate([to_numpy_tree(stream.push(p)) for p in (x[:, :3], x[:, 3:])], axis=1)
    all_close(got, want, 1e-6)


BAD_INPUT = [
    (np.zeros((2, 4), "float32"), r"shape \(2, n, 4\)"),
    (np.zeros((2, 3, 5), "float32"), r"Received: x.shape=\(2, 3, 5\)"),
    (np.zeros((3, 3, 4), "float32"), "batch 2"),
    (np.zeros((2, 3, 4), "complex64"), "numbers of dtype float32"),
    (np.full((2, 3, 4), "a"), "numbers of dtype float32"),
]


@pytest.mark.parametrize(("x", "message"), BAD_INPUT)
def test_bad_blocks_are_named(x, message):
    with pytest.raises(ValueError, match=message):
        lamina.Stream(residual(), 2).push(x)


def test_bad_arguments_are_named():
    stream = lamina.Stream(residual(), 2)
    x = np.zeros((2, 3, 4), "float32")
    with pytest.raises(ValueError, match="`mask` must have the shape"):
        stream.push(x, mask=np.ones((2, 4), bool))
    with pytest.raises(ValueError, match="`reset` must be of bools"):
        stream.push(x, reset=np.ones((2, 3)))
    with pytest.raises(ValueError, match="`rows` must be row numbers from 0 to 1"):
        stream.reset([2])
    with pytest.raises(ValueError, match="`batch_size`"):
        lamina.Stream(residual(), 0)
    with pytest.raises(ValueError, match="must be a Keras model"):
        lamina.Stream(layers.Dense(2))
    with pytest.raises(ValueError, match="needs a built model"):
        lamina.Stream(keras.Sequential([layers.Dense(2)]))
    with pytest.raises(ValueError, match="whole numbers"):
        lamina.Stream(ALL["tokens"](), 2).push(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="must be a dict of"):
        lamina.Stream(ALL["branches"](), 2).push(x)
    with pytest.raises(ValueError, match="Use `push`"):
        lamina.Stream(STRIDED["strided"]()).step(np.zeros((1, 4)))


def test_several_inputs_keep_their_structure(rng):
    model = ALL["branches"]()
    x = inputs_of(model, rng, 2, 3)
    y = to_numpy_tree(lamina.Stream(model, 2).push(x))
    assert set(y) == {"y", "h"} and y["y"].shape == (2, 3, 2)


def test_half_precision_streams(rng):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = stack(lamina.LagDense(4, (0, 2)), layers.Conv1D(3, 2, padding="causal"))
    stream = lamina.Stream(model, 2)
    x = inputs_of(model, rng, 2, 6)
    parts = [stream.push(x[:, :2]), stream.push(x[:, 2:])]
    got = ops.concatenate([ops.cast(y, "float32") for y in parts], axis=1)
    all_close(ops.convert_to_numpy(got), ops.convert_to_numpy(ops.cast(model(x), "float32")), 3e-2)
    other = lamina.Stream(model, 2)
    other.load_state(stream.state)
    assert all(v.dtype != "bfloat16" for v in other.state.values())
