"""A layer's model, exported from TensorFlow, gives the same values elsewhere."""

import keras
import numpy as np
import pytest

from tests.registry import ROWS, case
from tests.support import all_close, as_list, functional_model, to_numpy_tree

# The layers of the article in every run; all the others in `make test-all`.
FAST = {"ThreePointDependency", "CodebookDecoder", "IntermediateOutput"}


def run_savedmodel(path, inputs):
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))  # its variables live as long as it does
    return as_list(to_numpy_tree(loaded.serve(inputs)))


def run_onnx(path, inputs):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = sorted(place.name for place in session.get_inputs())
    feed = dict(zip(names, as_list(inputs), strict=True))
    return session.run(None, feed)


def run_litert(path, inputs):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    details = sorted(interpreter.get_input_details(), key=lambda place: place["name"])
    arrays = as_list(inputs)
    for place, array in zip(details, arrays, strict=True):
        interpreter.resize_tensor_input(place["index"], array.shape)
    interpreter.allocate_tensors()
    for place, array in zip(details, arrays, strict=True):
        interpreter.set_tensor(place["index"], array)
    interpreter.invoke()
    return [interpreter.get_tensor(place["index"]) for place in interpreter.get_output_details()]


FORMATS = {
    "savedmodel": ("tf_saved_model", "exported", run_savedmodel),
    "onnx": ("onnx", "exported.onnx", run_onnx),
    "litert": ("litert", "exported.tflite", run_litert),
}


def promised():
    for row in ROWS:
        for name in sorted(row.exports):
            marks = () if row.layer in FAST else (pytest.mark.slow,)
            yield pytest.param(row, name, id=f"{row.name}-{name}", marks=marks)


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore")  # the converters' own; ours are errors everywhere else
@pytest.mark.parametrize("row, name", list(promised()))
def test_exported_model_gives_the_same_values(row, name, tmp_path):
    format, file, run = FORMATS[name]
    layer, inputs = case(row)
    model = functional_model(layer, inputs)
    expected = as_list(to_numpy_tree(model(inputs)))
    model.export(tmp_path / file, format=format, verbose=False)
    got = run(tmp_path / file, inputs)
    assert len(got) == len(expected)
    for theirs in expected:  # LiteRT orders its outputs as it likes
        nearest = min(got, key=lambda ours: distance(ours, theirs))
        if theirs.dtype.kind == "f":
            all_close(nearest, theirs, 1e-5)
        else:
            assert np.array_equal(nearest, theirs)


def distance(a, b):
    """Largest difference; infinite where shape or kind differ."""
    alike = a.shape == b.shape and (a.dtype.kind == "f") == (b.dtype.kind == "f")
    return np.max(np.abs(a.astype("float64") - b), initial=0) if alike else np.inf


@pytest.mark.tensorflow
def test_every_row_exports_as_a_saved_model():
    without = [row.name for row in ROWS if "savedmodel" not in row.exports]
    assert not without, keras.backend.backend()
