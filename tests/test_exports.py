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

    served = tf.saved_model.load(str(path)).serve(inputs)
    return as_list(to_numpy_tree(served))


def run_onnx(path, inputs):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    feed = dict(zip([i.name for i in session.get_inputs()], as_list(inputs), strict=True))
    return session.run(None, feed)


def run_litert(path, inputs):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    details = interpreter.get_input_details()
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
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("row, name", promised())
def test_exported_model_gives_the_same_values(row, name, tmp_path):
    format, file, run = FORMATS[name]
    layer, inputs = case(row)
    model = functional_model(layer, inputs)
    expected = as_list(to_numpy_tree(model(inputs)))
    model.export(tmp_path / file, format=format, verbose=False)
    got = run(tmp_path / file, inputs)
    assert len(got) == len(expected)
    for theirs in expected:
        twin = next(g for g in got if g.shape == theirs.shape and same_kind(g, theirs))
        all_close(twin, theirs, 1e-5)


def same_kind(a, b):
    return np.issubdtype(a.dtype, np.floating) == np.issubdtype(b.dtype, np.floating)


@pytest.mark.tensorflow
def test_every_row_exports_as_a_saved_model():
    without = [row.name for row in ROWS if "savedmodel" not in row.exports]
    assert not without, keras.backend.backend()
