"""Models of every make, for the tests of taps."""

import keras
import numpy as np
from keras import ops

register = keras.saving.register_keras_serializable(package="lamina_tests")


@register
class Block(keras.layers.Layer):
    """A layer that holds layers, and calls one of them twice."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.first = keras.layers.Dense(units)
        self.shared = keras.layers.Dense(units, activation="tanh")

    def build(self, input_shape):
        self.first.build(input_shape)
        self.shared.build((*input_shape[:-1], self.units))

    def call(self, x):
        return self.shared(self.shared(self.first(x)))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@register
class Net(keras.Model):
    """Subclassed: layers in attributes, a list, a dict and a nested Functional model."""

    def __init__(self, units=4, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.blocks = [Block(units), Block(units)]
        self.heads = {"a": keras.layers.Dense(2), "b": keras.layers.Dense(3)}
        inner = keras.Input((units,))
        hidden = keras.layers.Dense(units, activation="relu", name="inside")(inner)
        self.nested = keras.Model(inner, keras.layers.Dense(units, name="last")(hidden))
        self.norm = keras.layers.BatchNormalization()
        self.drop = keras.layers.Dropout(0.2, seed=3)
        self.spare = keras.layers.ReLU()

    def build(self, input_shape):
        hidden = (*input_shape[:-1], self.units)
        self.blocks[0].build(input_shape)
        for layer in (self.blocks[1], *self.heads.values(), self.norm):
            layer.build(hidden)

    def call(self, x, training=None):
        for block in self.blocks:
            x = block(x)
        x = self.drop(self.norm(self.nested(x), training=training), training=training)
        return ops.concatenate([self.heads["a"](x), self.heads["b"](x)], -1)

    def by_hand(self, x):
        """The values inside at inference, by calling the layers one after the other."""
        values = {"input": x}
        for i, block in enumerate(self.blocks):
            values[f"first{i}"] = x = block.first(x)
            values[f"once{i}"] = x = block.shared(x)
            values[f"twice{i}"] = x = block.shared(x)
        values["inside"] = x = self.nested.get_layer("inside")(x)
        values["last"] = x = self.nested.get_layer("last")(x)
        values["norm"] = x = self.norm(x, training=False)
        values["a"], values["b"] = self.heads["a"](x), self.heads["b"](x)
        values["output"] = ops.concatenate([values["a"], values["b"]], -1)
        return values

    def get_config(self):
        return {**super().get_config(), "units": self.units}


# What each path of `Net` must show, by its name in `by_hand`.
POINTS = {
    "blocks.0": "twice0",
    "blocks.1.first": "first1",
    "nested": "last",
    "nested.inside": "inside",
    "inside": "inside",
    "norm": "norm",
    "heads.b": "b",
}


def net(rng, batch=6):
    """A built `Net` and a batch for it."""
    model, x = Net(), rng.standard_normal((batch, 5)).astype("float32")
    model(x)
    return model, x


def same(ours, theirs):
    np.testing.assert_array_equal(ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs))
