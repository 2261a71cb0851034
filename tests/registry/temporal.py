"""Rows of the temporal family."""

import keras
import numpy as np
import scipy.signal

import lamina
from tests.registry._row import Row

LOOKS_BACK = dict(causal=True, streaming=True, mask="propagate", variable_axes=(1,))


def signal(rng):
    return rng.standard_normal((3, 11, 2), "float32")


def conv1d(layer, x):
    """Keras' own causal convolution over every lag, zeros where the layer has none."""
    size = max(layer.lags) + 1
    kernel = np.zeros((size, *layer.kernel.shape[1:]), "float32")
    kernel[[size - 1 - lag for lag in layer.lags]] = keras.ops.convert_to_numpy(layer.kernel)
    conv = keras.layers.Conv1D(layer.units, size, padding="causal", activation=layer.activation)
    conv.build(x.shape)
    conv.set_weights([kernel, keras.ops.convert_to_numpy(layer.bias)])
    return keras.ops.convert_to_numpy(conv(x))


ROWS: list[Row] = [
    Row(
        "ThreePointDependency",
        make=lambda: lamina.ThreePointDependency(4, bias_initializer="normal"),
        inputs=signal,
        traits=LOOKS_BACK,
        oracle=conv1d,
    ),
    Row(
        "LagDense",
        make=lambda: lamina.LagDense(4, (0, 1, 7), bias_initializer="normal"),
        inputs=signal,
        traits=LOOKS_BACK,
        oracle=conv1d,
    ),
    Row(
        "LagDense[consecutive]",
        make=lambda: lamina.LagDense(4, (1, 3, 2), activation="tanh", bias_initializer="normal"),
        inputs=signal,
        traits=LOOKS_BACK,
        oracle=conv1d,
    ),
    Row(
        "Delay",
        make=lambda: lamina.Delay(3),
        inputs=signal,
        traits=LOOKS_BACK,
        oracle=lambda layer, x: np.pad(x, [(0, 0), (3, 0), (0, 0)])[:, : x.shape[1]],
        tolerance=0,
    ),
    Row(
        "FIRFilter",
        make=lambda: lamina.FIRFilter.design(7, 0.3),
        inputs=signal,
        traits=LOOKS_BACK,
        oracle=lambda layer, x: scipy.signal.lfilter(layer.coefficients, 1, x, axis=1),
    ),
    Row(
        "FIRFilter[trainable]",
        make=lambda: lamina.FIRFilter([[0.5, 1], [0.25, -1], [2, 0]], trainable=True),
        inputs=signal,
        traits=LOOKS_BACK,
        oracle=lambda layer, x: np.stack(
            [scipy.signal.lfilter(layer.coefficients[:, i], 1, x[..., i]) for i in (0, 1)], 2
        ),
    ),
    Row(
        "Biquad",
        make=lambda: lamina.Biquad.design(4, [0.05, 0.4], "bandpass"),
        inputs=signal,
        traits=LOOKS_BACK,
        oracle=lambda layer, x: scipy.signal.sosfilt(layer.sos, x, axis=1),
    ),
    Row(
        "Biquad[trainable]",
        make=lambda: lamina.Biquad.design(3, 0.2, trainable=True),
        inputs=signal,
        traits=LOOKS_BACK,
        oracle=lambda layer, x: scipy.signal.sosfilt(layer.sos, x, axis=1),
    ),
]
