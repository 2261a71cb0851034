"""Rows of the taps family."""

import keras
import numpy as np

import lamina
from tests.registry._row import Row


@keras.saving.register_keras_serializable(package="lamina_tests")
class PairSum(keras.layers.Layer):
    """Two tensors in, one out."""

    def call(self, inputs):
        return inputs[0] + keras.ops.cast(inputs[1], inputs[0].dtype)


def _affine(layer, x):
    kernel, bias = layer.layer.get_weights()
    return [x @ kernel + bias, x]


def _first_step(layer, x):
    kernel, _, bias = layer.cell.get_weights()
    new = np.tanh(x @ kernel + bias)
    return [np.concatenate([new, new], -1), new]


def _series(rng):
    return rng.standard_normal((3, 5, 4)).astype("float32")


ROWS: list[Row] = [
    Row(
        "IntermediateOutput",
        make=lambda: lamina.IntermediateOutput(keras.layers.Dense(2)),
        inputs=_series,
        oracle=_affine,
        traits={"mask": "propagate", "variable_axes": (1,), "output_dtype": (None, "input")},
    ),
    Row(
        "IntermediateOutput[nested]",
        make=lambda: lamina.IntermediateOutput(
            lamina.IntermediateOutput(keras.layers.Rescaling(2.0))
        ),
        inputs=_series,
        oracle=lambda layer, x: [2 * x, x, x],
        traits={
            "mask": "propagate",
            "variable_axes": (1,),
            "output_dtype": (None, "input", "input"),
        },
        tolerance=0,
    ),
    Row(
        "IntermediateOutput[two inputs]",
        make=lambda: lamina.IntermediateOutput(PairSum()),
        inputs=lambda rng: [_series(rng), np.arange(15, dtype="int32").reshape(3, 5, 1)],
        oracle=lambda layer, x: [x[0] + x[1], *x],
        traits={
            "mask": "propagate",
            "variable_axes": (1,),
            "output_dtype": (None, "input", "input"),
        },
        tolerance=0,
    ),
    Row(
        "TapCell",
        make=lambda: lamina.TapCell(keras.layers.SimpleRNNCell(2)),
        inputs=lambda rng: rng.standard_normal((3, 4)).astype("float32"),
        oracle=_first_step,
    ),
]
