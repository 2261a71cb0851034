"""An exported step gives what the stream gives, without keras."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers
from typer.testing import CliRunner

import lamina
import lamina_edge
from lamina_cli._app import app
from tests.streaming.cases import ALL, EVERY_SAMPLE, STRIDED, inputs_of, residual, stack
from tests.support import all_close, as_list, to_numpy_tree

# tf2onnx asks NumPy for names that it no longer has.
pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning"),
]

FORMATS = {"litert": "step.tflite", "onnx": "step.onnx"}
# Writing a file takes seconds: the quick suite writes few, the slow one every kind of model.
FORMAT = pytest.mark.parametrize("format", ["litert", pytest.param("onnx", marks=pytest.mark.slow)])
FEW = [("branches", "litert"), ("merged", "litert"), ("packed", "litert"), ("residual", "onnx")]
MANY = [
    pytest.param(name, format, marks=[] if (name, format) in FEW else pytest.mark.slow)
    for name in ALL
    if name not in ("tokens", "nested_and_shared")
    for format in FORMATS
]


def exported(model, folder, format):
    path = folder / FORMATS[format]
    lamina.Stream(model).export(path, format)
    return path


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A model and its LiteRT file, written once."""
    model = residual()
    return model, exported(model, tmp_path_factory.mktemp("plain"), "litert")


def assert_same(edge, stream, tolerance=1e-5):
    for ours, theirs in zip(as_list(edge), as_list(to_numpy_tree(stream)), strict=True):
        all_close(ours, theirs, tolerance)


@pytest.mark.parametrize(("name", "format"), MANY)
def test_one_stream_and_many_give_what_the_keras_step_gives(name, format, rng, tmp_path):
    model = ALL[name]()
    path = exported(model, tmp_path, format)
    for batch in (1, 5):
        x = inputs_of(model, rng, batch, 7)
        edge, stream = lamina_edge.load(path, batch), lamina.Stream(model, batch)
        assert edge.receptive_field == stream.receptive_field
        assert_same(edge.push(x), stream.push(x))


@pytest.mark.parametrize(
    "name", ["tokens", pytest.param("nested_and_shared", marks=pytest.mark.slow)]
)
def test_masks_from_inside_and_shared_layers_export(name, rng, tmp_path):
    model = ALL[name]()
    x = inputs_of(model, rng, 2, 6)
    edge = lamina_edge.load(exported(model, tmp_path, "litert"), 2)
    assert_same(edge.push(x), lamina.Stream(model, 2).push(x))


@FORMAT
def test_masks_and_resets_inside_rows(format, rng, tmp_path):
    model = stack(lamina.LagDense(3, (0, 2)), layers.GRU(2, return_sequences=True))
    x, mask, reset = inputs_of(model, rng, 3, 9), rng.random((3, 9)) > 0.4, rng.random((3, 9)) > 0.8
    edge = lamina_edge.load(exported(model, tmp_path, format), 3)
    assert_same(edge.push(x, mask, reset), lamina.Stream(model, 3).push(x, mask, reset))


@FORMAT
def test_state_goes_between_edge_and_stream(format, plain, rng, tmp_path):
    model, path = plain
    x = inputs_of(model, rng, 2, 8)
    if format != "litert":
        path = exported(model, tmp_path, format)
    edge, stream = lamina_edge.load(path, 2), lamina.Stream(model, 2)
    stream.push(x[:, :5])
    edge.load_state(stream.state)
    assert_same(edge.push(x[:, 5:]), stream.push(x[:, 5:]))
    stream.load_state(edge.state)
    edge.reset([0]), stream.reset([0])
    assert_same(edge.step(x[:, 0]), stream.step(x[:, 0]))
    with pytest.raises(ValueError, match="another model"):
        edge.load_state(lamina.Stream(EVERY_SAMPLE["gru"](), 2).state)
    with pytest.raises(ValueError, match="another batch size"):
        lamina_edge.load(path, 3).load_state(edge.state)


def test_a_split_does_not_matter(rng, tmp_path):
    model = STRIDED["twice"]()
    x = inputs_of(model, rng, 2, 20)
    edge = lamina_edge.load(exported(model, tmp_path, "litert"), 2)
    pieces = [edge.push(x[:, a:b]) for a, b in ((0, 0), (0, 3), (3, 4), (4, 20))]
    whole = keras.ops.convert_to_numpy(model(x))
    all_close(np.concatenate(pieces, axis=1), whole, 1e-5)


ALONE = """
import sys, time
start = time.perf_counter()
import lamina_edge, numpy as np
stream = lamina_edge.load(sys.argv[1])
y = stream.push(np.ones((1, 1, 4), "float32"))
ready = time.perf_counter() - start
import json
print(json.dumps([ready, sorted({m.partition(".")[0] for m in sys.modules}), y.tolist()]))
"""


def test_runs_without_keras(plain):
    model, path = plain
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(path)], capture_output=True, text=True, check=True
    )
    ready, modules, y = json.loads(done.stdout.splitlines()[-1])
    assert not {"keras", "lamina", "tensorflow", "jax", "torch"} & set(modules)
    assert ready < 10  # a machine under load; the benchmark measures it alone
    all_close(np.array(y), keras.ops.convert_to_numpy(model(np.ones((1, 1, 4)))), 1e-5)


def test_saved_model_holds_the_step(rng, tmp_path):
    import tensorflow as tf

    model = stack(lamina.LagDense(3, (0, 1)))
    lamina.Stream(model).export(tmp_path / "step", "tf_saved_model")
    note = json.loads((tmp_path / "step" / "assets.extra" / "lamina.json").read_text())
    step = tf.saved_model.load(str(tmp_path / "step")).signatures["step"]
    x = inputs_of(model, rng, 1, 1)
    past = tf.zeros((1, *note["state"][0]["shape"]))
    all_close(step(x0=tf.constant(x), s0=past)["y0"].numpy(), model(x).numpy(), 1e-5)


def test_the_writer_and_the_reader_of_a_step_have_the_same_names(rng):
    # Neither package imports the other: this holds the file's names together.
    from lamina.streaming import _export
    from lamina.streaming._plan import Plan
    from lamina_edge import _runtimes

    assert _export.NOTE == _runtimes.NOTE
    gru = layers.GRU(2, return_sequences=True)
    masked, strided = stack(lamina.LagDense(3, (0, 2)), gru), STRIDED["twice"]()
    for model in (masked, strided):
        step = _export._Step(model, Plan(model))
        note = json.loads(step.note())
        for with_masks in (False, True):
            specs = step.specs(with_masks)
            assert [s.name for s in specs] == _runtimes.input_names(note, with_masks)
            tensors = [np.zeros([n or 1 for n in s.shape], s.dtype) for s in specs]
            assert list(step.run(with_masks, tensors)) == _runtimes.output_names(note)


def test_a_failed_export_leaves_no_file(tmp_path):
    stream = lamina.Stream(residual())
    with pytest.raises(ValueError, match="`format` must be one of"):
        stream.export(tmp_path / "step", "coreml")
    assert not list(tmp_path.iterdir())


def test_foreign_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such file"):
        lamina_edge.load(tmp_path / "none.tflite")
    (tmp_path / "text").write_text("not a model")
    with pytest.raises(ValueError, match="neither LiteRT nor ONNX"):
        lamina_edge.load(tmp_path / "text")


def test_bad_blocks_are_named(plain):
    edge = lamina_edge.load(plain[1], 2)
    with pytest.raises(ValueError, match=r"shape \(2, n, 4\)"):
        edge.push(np.zeros((1, 3, 4), "float32"))
    with pytest.raises(ValueError, match="must hold numbers"):
        edge.push(np.full((2, 3, 4), "a"))
    with pytest.raises(ValueError, match="`mask` must be bools"):
        edge.push(np.zeros((2, 3, 4)), mask=np.ones((2, 3)))
    with pytest.raises(ValueError, match="`batch_size`"):
        lamina_edge.load(plain[1], 0)
    assert edge.push(np.zeros((2, 0, 4))).shape == (2, 0, 6)


def test_command_writes_what_the_model_gives(rng, tmp_path):
    model = stack(lamina.LagDense(3, (0, 1)))
    model.save(tmp_path / "model.keras")
    out = tmp_path / "step.tflite"
    done = CliRunner().invoke(app, ["export", str(tmp_path / "model.keras"), str(out)])
    assert done.exit_code == 0, done.output
    x = inputs_of(model, rng, 1, 4)
    assert_same(lamina_edge.load(out).push(x), model(x))


@pytest.mark.slow
def test_command_exports_a_saved_model(rng, tmp_path):
    model = residual()
    model.save(tmp_path / "model.keras")
    command = [sys.executable, "-m", "lamina_cli", "export", str(tmp_path / "model.keras")]
    out = tmp_path / "step.tflite"
    done = subprocess.run([*command, str(out)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    x = inputs_of(model, rng, 1, 4)
    assert_same(lamina_edge.load(out).push(x), model(x))


def test_command_names_what_is_missing(tmp_path):
    command = [sys.executable, "-m", "lamina_cli", "export", "none.keras", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip() == "lamina export: no such model: none.keras"
