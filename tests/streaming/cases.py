"""Models that stream, small; each function gives a fresh one."""

import keras
from keras import layers, ops

import lamina


@keras.saving.register_keras_serializable("tests")
class WindowMax(keras.layers.Layer):
    """A stranger's layer, after the documented protocol."""

    def __init__(self, window, **kwargs):
        super().__init__(**kwargs)
        self.window = window
        self.supports_masking = True

    @property
    def receptive_field(self):
        return self.window

    def build(self, input_shape):
        self.features = input_shape[-1]

    def initial_state(self, batch):
        past = (batch, self.window - 1, self.features)
        return {"past": ops.full(past, float("-inf"), self.compute_dtype)}

    def step(self, x, state, mask=None):
        if mask is not None:
            x = ops.where(mask[..., None], x, float("-inf"))
        seen = ops.concatenate([state["past"], x], axis=1)
        n = ops.shape(x)[1]
        y = seen[:, :n]
        for lag in range(1, self.window):
            y = ops.maximum(y, seen[:, lag : lag + n])
        if mask is not None:
            y = ops.where(mask[..., None], y, 0)
        return y, {"past": seen[:, n:]}

    def call(self, inputs, mask=None):
        return self.step(inputs, self.initial_state(ops.shape(inputs)[0]), mask)[0]

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "window": self.window}


class Leaky(keras.layers.Layer):
    """A cell whose output is not its state."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.state_size, self.output_size = 2, 3

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], 2), name="kernel")
        self.out = self.add_weight(shape=(2, 3), name="out")

    def call(self, inputs, states):
        state = 0.9 * states[0] + ops.matmul(inputs, self.kernel)
        return ops.matmul(state, self.out), [state]


def stack(*parts):
    return keras.Sequential([keras.Input((None, 4)), *parts])


def residual():
    x = keras.Input((None, 4))
    h = layers.Conv1D(6, 3, padding="causal", dilation_rate=2, activation="relu")(x)
    h = layers.LayerNormalization()(h)
    h = layers.Add()([h, layers.Dense(6)(x)])
    return keras.Model(x, h)


def branches():
    a, b = keras.Input((None, 4), name="a"), keras.Input((None, 2), name="b")
    h = layers.Concatenate()(
        [lamina.LagDense(3, (0, 5))(a), layers.GRU(2, return_sequences=True)(b)]
    )
    return keras.Model({"a": a, "b": b}, {"y": layers.Dense(2)(h), "h": h})


def raw_ops():
    x = keras.Input((None, 4))
    h = ops.transpose(ops.relu(ops.transpose(x, (0, 2, 1))), (0, 2, 1))
    h = ops.concatenate([h[..., :3] * 2.0, ops.mean(x, axis=-1, keepdims=True)], axis=-1)
    h = ops.einsum("btf,fg->btg", h, ops.ones((4, 6)))
    return keras.Model(x, ops.where(h > 0, h, ops.sum(h, axis=2)[:, :, None]))


def raw_features():
    x = keras.Input((None, 4))
    h = ops.stack([x, ops.tanh(x)], axis=-1)
    h = ops.squeeze(ops.expand_dims(ops.max(h, axis=-1), 2), 2)
    return keras.Model(x, ops.softmax(h) + ops.split(x, 4, axis=-1)[1])


def gates():
    """One number for each sample, beside features: two of them, as many as rows are tried."""
    x = keras.Input((None, 4))
    pair, one = x[..., :2], x[:, :, 3:]
    return keras.Model(x, [pair + one, layers.Add()([pair, one]), layers.Average()([pair, one])])


def merged():
    """Each branch has masks of its own."""
    a, b = keras.Input((None, 4), name="a"), keras.Input((None, 4), name="b")
    both = [layers.Masking()(a), b]
    merges = layers.Multiply, layers.Maximum, layers.Minimum, layers.Subtract
    return keras.Model([a, b], layers.Concatenate()([merge()(both) for merge in merges]))


def normalised_ops():
    x = keras.Input((None, 4))
    h = ops.layer_normalization(x, axis=-1) + ops.rms_normalization(x)
    a, *rest = ops.unstack(ops.dot(h, ops.ones((4, 3))), axis=-1)
    return keras.Model(x, ops.stack([a, *rest], axis=-1) + ops.array_split(x, 4, axis=-1)[1])


def nested_and_shared():
    encoder = stack(layers.Conv1D(4, 2, padding="causal"), WindowMax(3))
    a, b = keras.Input((None, 4)), keras.Input((None, 4))
    return keras.Model([a, b], layers.Subtract()([encoder(a), encoder(encoder(b))]))


def tokens():
    x = keras.Input((None,), dtype="int32")
    h = layers.Embedding(5, 4, mask_zero=True)(x)
    return keras.Model(x, layers.LSTM(3, return_sequences=True)(h))


def gained():
    x, gain = keras.Input((None, 4)), keras.Input((4,))
    return keras.Model([x, gain], lamina.LagDense(3, (0, 2))(x * gain[:, None, :]))


def packed():
    """Stored bytes to physical samples, as a detector reads them."""
    frames = keras.Input((None, 3), dtype="uint8")
    gain, baseline = keras.Input((2,)), keras.Input((2,))
    decode = lamina.PackedSampleDecoder(212, 2)
    return keras.Model([frames, gain, baseline], decode(frames, gain=gain, baseline=baseline))


def codes():
    x = keras.Input((None,), dtype="int32")
    book = [[0.0, 1.0], [2.0, 0.5], [1.0, 1.0], [3.0, 0.0], [0.5, 2.0]]
    h = lamina.CodebookDecoder(book, out_of_range="clip")(x)
    return keras.Model(x, lamina.LagDense(3, (0, 2))(h))


# One output for each sample.
EVERY_SAMPLE = {
    "conv": lambda: stack(layers.Conv1D(6, 3, padding="causal", dilation_rate=2, groups=2)),
    "depthwise": lambda: stack(
        layers.ZeroPadding1D((4, 0)), layers.DepthwiseConv1D(3, dilation_rate=2)
    ),
    "separable": lambda: stack(
        layers.ZeroPadding1D((1, 0)),
        layers.ZeroPadding1D((3, 0)),
        layers.SeparableConv1D(5, 3, dilation_rate=2, activation="relu"),
    ),
    "average": lambda: stack(layers.ZeroPadding1D((2, 0)), layers.AveragePooling1D(3, 1)),
    "maximum": lambda: stack(layers.ZeroPadding1D((2, 0)), layers.MaxPooling1D(3, 1)),
    "dense": lambda: stack(layers.Dense(3, "tanh"), layers.EinsumDense("abc,cd->abd", (None, 4))),
    "gru": lambda: stack(layers.GRU(3, return_sequences=True)),
    "lstm": lambda: stack(layers.Masking(), layers.LSTM(3, return_sequences=True)),
    "simple_rnn": lambda: stack(
        layers.SimpleRNN(3, return_sequences=True, zero_output_for_mask=True)
    ),
    "cells": lambda: stack(
        layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)], return_sequences=True)
    ),
    "own_cell": lambda: stack(layers.RNN(Leaky(), return_sequences=True)),
    "norms": lambda: stack(
        layers.BatchNormalization(),
        layers.RMSNormalization(),
        layers.UnitNormalization(),
        layers.Dropout(0.5),
        layers.GaussianNoise(1.0),
        layers.PReLU(shared_axes=[1]),
    ),
    "shapes": lambda: stack(
        layers.Reshape((-1, 2, 2)),
        layers.Permute((1, 3, 2)),
        layers.TimeDistributed(layers.Dense(3)),
        layers.TimeDistributed(
            keras.Sequential([layers.LayerNormalization(), layers.Conv1D(2, 2), layers.Flatten()])
        ),
    ),
    "lags": lambda: stack(
        lamina.ThreePointDependency(5), lamina.LagDense(3, (0, 1, 7), "tanh", initial="edge")
    ),
    "stranger": lambda: stack(WindowMax(4), layers.Activation("relu"), layers.Rescaling(2.0)),
    "residual": residual,
    "branches": branches,
    "raw_ops": raw_ops,
    "raw_features": raw_features,
    "normalised_ops": normalised_ops,
    "gates": gates,
    "merged": merged,
    "nested_and_shared": nested_and_shared,
    "tokens": tokens,
    "gained": gained,
    "packed": packed,
    "codes": codes,
}

# Fewer outputs than samples.
STRIDED = {
    "strided": lambda: stack(layers.Conv1D(6, 3, strides=2, padding="causal"), layers.Dense(3)),
    "pooled": lambda: stack(layers.AveragePooling1D(3, 2), layers.GRU(3, return_sequences=True)),
    "twice": lambda: stack(
        layers.Conv1D(6, 3, strides=2, padding="causal"),
        layers.ZeroPadding1D((1, 0)),
        layers.MaxPooling1D(3, strides=3),
        lamina.LagDense(2, (0, 1)),
    ),
    "valid": lambda: stack(layers.Conv1D(3, 4), layers.SeparableConv1D(2, 2)),
}

ALL = {**EVERY_SAMPLE, **STRIDED}


def inputs_in(model):
    """The symbolic inputs of a model, in its structure."""
    return model.inputs[0] if isinstance(model, keras.Sequential) else model.input


def inputs_of(model, rng, batch, time):
    """Inputs for `model`, in its structure."""

    def one(x):
        shape = tuple(x.shape[1:])
        shape = (batch, time, *shape[1:]) if shape[0] is None else (batch, *shape)
        if "int" in x.dtype:
            return rng.integers(0, 5, shape).astype(x.dtype)
        return rng.standard_normal(shape).astype(x.dtype)

    return keras.tree.map_structure(one, inputs_in(model))


def cut(model, x, a, b):
    """Samples a to b of inputs that have a time axis."""
    return keras.tree.map_structure(
        lambda v, s: v[:, a:b] if s.shape[1] is None else v, x, inputs_in(model)
    )
