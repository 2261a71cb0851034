"""What cannot stream is refused at once: by its path, with what to use instead."""

import keras
import pytest
from keras import layers, ops

import lamina
from tests.streaming.cases import stack


def raw(function):
    x = keras.Input((None, 4))
    return lambda: keras.Model(x, function(x))


def nested(*parts):
    inner = keras.Sequential([keras.Input((None, 4)), *parts], name="encoder")
    return lambda: stack(inner)


REFUSED = {
    "Bidirectional": (
        nested(layers.Bidirectional(layers.GRU(2, return_sequences=True), name="both")),
        "encoder/both",
    ),
    "GlobalAveragePooling1D": (
        nested(layers.GlobalAveragePooling1D(name="pool"), layers.Dense(2)),
        "encoder/pool",
    ),
    "Conv1D": (nested(layers.Conv1D(2, 3, padding="same", name="conv")), "encoder/conv"),
    "AveragePooling1D": (
        nested(layers.AveragePooling1D(3, padding="same", name="pool")),
        "encoder/pool",
    ),
    "MultiHeadAttention": (
        raw(lambda x: layers.MultiHeadAttention(1, 2, name="look")(x, x)),
        "look",
    ),
    "AdditiveAttention": (raw(lambda x: layers.AdditiveAttention(name="look")([x, x])), "look"),
    "Attention": (raw(lambda x: layers.Attention(name="look")([x, x])), "look"),
    "GlobalMaxPooling1D": (
        nested(layers.GlobalMaxPooling1D(keepdims=True, name="pool"), layers.Dense(2)),
        "encoder/pool",
    ),
    "DepthwiseConv1D": (
        nested(layers.DepthwiseConv1D(3, padding="same", name="conv")),
        "encoder/conv",
    ),
    "SeparableConv1D": (
        nested(layers.SeparableConv1D(2, 3, padding="same", name="conv")),
        "encoder/conv",
    ),
    "MaxPooling1D": (nested(layers.MaxPooling1D(3, padding="same", name="pool")), "encoder/pool"),
    "TimeDistributed": (
        lambda: keras.Sequential(
            [keras.Input((None, 5, 4)), layers.TimeDistributed(layers.GRU(2), name="each")]
        ),
        "each",
    ),
    "GRU": (nested(layers.GRU(2, name="last")), "encoder/last"),
    "GroupNormalization": (nested(layers.GroupNormalization(2, name="norm")), "encoder/norm"),
    "BatchNormalization": (
        raw(lambda x: layers.BatchNormalization(name="norm")(x, training=True)),
        "norm",
    ),
    "LayerNormalization": (
        lambda: keras.Sequential(
            [keras.Input((8, 4)), layers.LayerNormalization(axis=1, name="norm")]
        ),
        "norm",
    ),
    "IntermediateOutput": (
        raw(lambda x: lamina.IntermediateOutput(layers.Dense(4), name="both")(x)),
        "both",
    ),
    "Lambda": (nested(layers.Lambda(lambda x: ops.flip(x, axis=1), name="turn")), "encoder/turn"),
    "ZeroPadding1D": (nested(layers.ZeroPadding1D((0, 2), name="pad")), "encoder/pad"),
    "Mean": (raw(lambda x: ops.mean(x, axis=1, keepdims=True) + x), "mean"),
    "GetItem": (raw(lambda x: x[:, ::2]), "get_item"),
    "Cumsum": (raw(lambda x: ops.cumsum(x, axis=1)), "cumsum"),
    "Flip": (raw(lambda x: ops.flip(x, axis=1)), "flip"),
    "Roll": (raw(lambda x: ops.roll(x, 1, axis=1)), "roll"),
    "Concatenate": (raw(lambda x: ops.concatenate([x, x], axis=1)), "concatenate"),
    "Reshape": (raw(lambda x: ops.reshape(x, (-1, 1, 4))), "reshape"),
    "Matmul": (raw(lambda x: ops.matmul(ops.matmul(x, ops.transpose(x, (0, 2, 1))), x)), "matmul"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_stream_is_refused_by_its_path(kind):
    make, path = REFUSED[kind]
    with pytest.raises(ValueError) as error:
        lamina.Stream(make())
    first, repair = str(error.value).split("\n", 1)
    assert first.startswith(f"`Stream` cannot run {path}")
    assert f"({kind}): " in first
    assert repair


REPAIRS = {
    "Bidirectional": "Use its forward layer alone",
    "GlobalAveragePooling1D": "Use a causal average",
    "GlobalMaxPooling1D": "Use a causal maximum",
    "Conv1D": "Use padding='causal'",
    "DepthwiseConv1D": r"Put `ZeroPadding1D\(\(window - 1, 0\)\)` before",
    "MultiHeadAttention": "Use a causal convolution or a recurrent layer",
    "GroupNormalization": "Use LayerNormalization",
    "Mean": "use a causal layer",
    "GetItem": "Use strides of a causal layer to keep every n-th sample",
}


@pytest.mark.parametrize("kind", REPAIRS)
def test_refusal_says_what_to_use_instead(kind):
    with pytest.raises(ValueError, match=REPAIRS[kind]):
        lamina.Stream(REFUSED[kind][0]())


def test_an_activation_over_time_is_refused():
    model = stack(layers.Dense(2, activation=lambda x: ops.softmax(x, axis=1)))
    with pytest.raises(ValueError, match="activation mixes time steps"):
        lamina.Stream(model)


def test_branches_that_come_at_different_times_are_refused():
    x = keras.Input((None, 4))
    late = layers.Conv1D(4, 3)(x)
    with pytest.raises(ValueError, match="come at different times"):
        lamina.Stream(keras.Model(x, layers.Add()([late, x])))


def test_a_subclass_of_a_known_layer_is_unknown():
    class Own(layers.Dense):
        pass

    with pytest.raises(ValueError, match="not known to stream"):
        lamina.Stream(stack(Own(2)))
