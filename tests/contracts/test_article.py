"""The article's layers, restated: each is caught, the right cause first."""

import keras
import numpy as np
import pytest
from keras import ops

import lamina
from tests.contracts.bugs import rnd

pytestmark = pytest.mark.filterwarnings("ignore")


class ThreePoint(keras.layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(3, input_shape[-1], self.units), name="kernel")

    def call(self, inputs):
        padded = ops.pad(inputs, [[0, 0], [2, 0], [0, 0]])
        x = ops.reshape(padded, (-1, inputs.shape[1], inputs.shape[2]))
        window = ops.stack([x[:, :-2], x[:, 1:-1], x[:, 2:]], axis=2)
        return ops.relu(ops.einsum("btse,seu->btu", window, self.kernel))


class Decoder(keras.layers.Layer):
    def __init__(self, codebook, **kwargs):
        super().__init__(**kwargs)
        self.codebook = ops.convert_to_tensor(codebook)

    def call(self, codes):
        batch, time = ops.shape(codes)
        place = ops.arange(batch)[:, None] * time + ops.arange(time)
        rows = ops.reshape(self.codebook, (-1, *self.codebook.shape[2:]))
        return ops.take_along_axis(ops.take(rows, place, axis=0), codes[..., None, None], axis=2)


class Tap(keras.layers.Layer):
    def __init__(self, intermediate_layer, **kwargs):
        super().__init__(**kwargs)
        self.intermediate_layer = intermediate_layer

    def call(self, inputs):
        return self.intermediate_layer(inputs), inputs


@pytest.mark.parametrize(
    ("layer", "inputs", "kwargs", "cause"),
    [
        (ThreePoint, rnd(2, 4, 1), {"units": 5}, "shape.batch_axis"),
        (
            Decoder,
            np.zeros((2, 4), "int32"),
            {"codebook": rnd(8, 4, 3, 2)},
            "batch.independent",
        ),
        (Tap, rnd(3, 4), {"intermediate_layer": keras.layers.Dense(2)}, "config.roundtrip"),
    ],
)
def test_is_caught_with_the_right_cause_first(layer, inputs, kwargs, cause):
    report = lamina.check(layer, inputs, kwargs=kwargs, contracts="fast")
    assert report.causes[0].contract == cause, str(report)
