"""What is particular to `IntermediateOutput`; the rest is in its registry rows."""

import keras
import numpy as np
import pytest
from keras import ops

import lamina
from lamina import IntermediateOutput, IntermediateOutputLayer
from tests.support import to_numpy_tree

POLICIES = ["float32", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16", "float64"]


def mask_of(x):
    mask = getattr(x, "_keras_mask", None)
    if mask is None and keras.backend.backend() == "jax":
        # JAX arrays carry no attributes: a layer reports the mask that it gets.
        seen = []

        class Look(keras.layers.Layer):
            supports_masking = True

            def call(self, inputs, mask=None):
                seen.append(mask)
                return inputs

        Look()(x)
        mask = seen[0]
    return None if mask is None else ops.convert_to_numpy(mask)


class Halved(keras.Model):
    """An inner layer of two layers, in the middle of a model."""

    def __init__(self):
        super().__init__()
        self.middle = IntermediateOutput(
            keras.Sequential([keras.layers.Dense(3), keras.layers.BatchNormalization()])
        )
        self.top = keras.layers.Dense(2)

    def build(self, input_shape):
        self.middle.build(input_shape)
        self.top.build((*input_shape[:-1], input_shape[-1] + 3))

    def call(self, inputs):
        y, x = self.middle(inputs)
        return self.top(ops.concatenate([y, x], -1))


def test_the_articles_name_is_the_same_layer():
    assert IntermediateOutputLayer is IntermediateOutput
    assert IntermediateOutputLayer(keras.layers.Dense(2)).layer.units == 2


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "uint8", "bool"])
def test_the_input_comes_back_as_it_came(policy, dtype, rng):
    x = ops.convert_to_tensor(rng.integers(0, 2, (3, 4)).astype(dtype))
    layer = IntermediateOutput(keras.layers.Dense(2, dtype=policy), dtype=policy)
    y, back = layer(x)
    assert keras.backend.standardize_dtype(back.dtype) == dtype
    np.testing.assert_array_equal(ops.convert_to_numpy(back), ops.convert_to_numpy(x))
    expected = keras.DTypePolicy(policy).compute_dtype
    assert keras.backend.standardize_dtype(y.dtype) in (expected, "float32")
    symbolic = layer(keras.Input((4,), dtype=dtype))
    assert [s.dtype for s in symbolic] == [keras.backend.standardize_dtype(y.dtype), dtype]


@pytest.mark.parametrize("batch", [0, 1, 3])
@pytest.mark.parametrize("time", [0, 1, 5])
def test_every_batch_and_time(batch, time):
    model_input = keras.Input((None, 4))
    model = keras.Model(model_input, IntermediateOutput(keras.layers.Dense(2))(model_input))
    x = np.ones((batch, time, 4), "float32")
    y, back = to_numpy_tree(model(x))
    assert y.shape == (batch, time, 2)
    np.testing.assert_array_equal(back, x)


def test_masks_are_the_layers_and_the_inputs():
    x = np.array([[1, 2, 0], [3, 0, 0]])
    embedded = keras.layers.Embedding(5, 4, mask_zero=True)(x)
    y, back = IntermediateOutput(keras.layers.LSTM(2))(embedded)
    assert mask_of(y) is None
    np.testing.assert_array_equal(mask_of(back), x > 0)
    y, back = IntermediateOutput(keras.layers.LSTM(2, return_sequences=True))(embedded)
    np.testing.assert_array_equal(mask_of(y), x > 0)
    y, back = IntermediateOutput(keras.layers.Masking())(np.zeros((1, 2, 3), "float32"))
    np.testing.assert_array_equal(mask_of(y), [[False, False]])
    assert mask_of(back) is None


def test_a_mask_given_by_name_leaves_the_callers_tensor_alone():
    x = ops.ones((2, 3, 4))
    mask = np.array([[True, True, False], [True, False, False]])
    y, back = IntermediateOutput(keras.layers.LSTM(2, return_sequences=True))(x, mask=mask)
    np.testing.assert_array_equal(mask_of(y), mask)
    np.testing.assert_array_equal(mask_of(back), mask)
    assert mask_of(x) is None


def test_a_layer_of_many_outputs_that_consumes_the_mask_gives_them_none():
    class Two(keras.layers.Layer):
        supports_masking = True

        def call(self, inputs):
            return {"a": ops.sum(inputs, 1), "b": ops.max(inputs, 1)}

        def compute_mask(self, inputs, previous_mask):
            return None

    x = keras.layers.Masking()(np.ones((2, 3, 4), "float32"))
    y, back = IntermediateOutput(Two())(x)
    assert mask_of(y["a"]) is None and mask_of(y["b"]) is None
    np.testing.assert_array_equal(mask_of(back), np.ones((2, 3), bool))


@pytest.mark.parametrize("training", [True, False])
def test_passes_training(training):
    layer = IntermediateOutput(keras.layers.Dropout(0.5, seed=1))
    y, _ = layer(np.ones((100, 10), "float32"), training=training)
    assert (ops.convert_to_numpy(y) == 0).any() == training


def test_keeps_the_inner_weights_once():
    dense = keras.layers.Dense(2)
    inputs = keras.Input((4,))
    y, x = IntermediateOutput(IntermediateOutput(dense))(inputs)[0]
    model = keras.Model(inputs, [y, dense(x)])
    assert len(model.weights) == 2
    assert len(dense.weights) == 2


def test_a_shared_layer_is_still_shared_after_loading(tmp_path):
    dense = keras.layers.Dense(2)
    inputs = keras.Input((4,))
    model = keras.Model(inputs, [IntermediateOutput(dense)(inputs)[0], dense(inputs)])
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    x = np.ones((3, 4), "float32")
    for ours, theirs in zip(loaded(x), model(x), strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs))
    assert len(loaded.weights) == 2


@pytest.mark.parametrize("start", ["build", "call"])
def test_weights_alone_go_into_a_fresh_subclassed_model(tmp_path, rng, start):
    x = rng.standard_normal((3, 4)).astype("float32")
    model = Halved()
    before = ops.convert_to_numpy(model(x))
    model.save_weights(tmp_path / "m.weights.h5")
    fresh = Halved()
    fresh.build((None, 4)) if start == "build" else fresh(x)
    fresh.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(ops.convert_to_numpy(fresh(x)), before)


def test_building_alone_makes_every_weight():
    class Lazy(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, inputs):
            return self.dense(inputs["a"]) + inputs["b"]

    layer = IntermediateOutput(Lazy())
    layer.build({"a": (None, 4), "b": (None, 3)})
    assert [tuple(w.shape) for w in layer.weights] == [(4, 3), (3,)]


@pytest.mark.parametrize("jit", [True, False])
def test_fit_trains_the_inner_layer(jit, rng):
    if jit and keras.backend.backend() == "torch":
        pytest.skip("torch.compile takes a C++ compiler and a minute")
    model = Halved()
    model.compile("sgd", "mse", jit_compile=jit)
    x = rng.standard_normal((16, 4)).astype("float32")
    model.build((None, 4))
    before = to_numpy_tree([w.numpy() for w in model.middle.trainable_weights])
    history = model.fit(x, x[:, :2], epochs=3, verbose=0).history["loss"]
    after = to_numpy_tree([w.numpy() for w in model.middle.trainable_weights])
    assert history[-1] < history[0]
    assert not any(np.array_equal(b, a) for b, a in zip(before[:2], after[:2], strict=True))


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore")  # the exporters warn of their own old calls
@pytest.mark.parametrize("kind", ["tf_saved_model", "onnx", "litert"])
def test_exports_with_both_outputs(kind, tmp_path, rng):
    x = rng.standard_normal((3, 4)).astype("float32")
    inputs = keras.Input((4,), name="x")
    model = keras.Model(inputs, IntermediateOutput(keras.layers.Dense(2))(inputs))
    expected = to_numpy_tree(model(x))
    path = tmp_path / ("m" if kind == "tf_saved_model" else f"m.{kind}".replace("litert", "tflite"))
    model.export(path, format=kind, verbose=False)
    got = {value.shape: value for value in run_exported(kind, str(path), x)}
    for value in expected:
        np.testing.assert_allclose(got[value.shape], value, atol=1e-6)


def run_exported(kind, path, x):
    if kind == "tf_saved_model":
        import tensorflow as tf

        loaded = tf.saved_model.load(path)
        return [np.asarray(v) for v in loaded.serve(x)]
    if kind == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(path)
        return session.run(None, {session.get_inputs()[0].name: x})
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path)
    index = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(index, x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(index, x)
    interpreter.invoke()
    return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]


@pytest.mark.parametrize("wrong", [None, 3, lambda x: x, keras.layers.Dense])
def test_what_is_not_a_layer_is_refused(wrong):
    with pytest.raises(TypeError, match="must be a Keras layer"):
        IntermediateOutput(wrong)


def test_a_stream_refuses_it_with_the_repair_for_it():
    """The families do not import each other: `Stream` knows the layer by its registered name."""
    inputs = keras.Input((8, 4))
    model = keras.Model(inputs, IntermediateOutput(keras.layers.Dense(4))(inputs)[0])
    with pytest.raises(ValueError, match="Make both outputs of the model"):
        lamina.Stream(model)
