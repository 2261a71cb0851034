"""Rows of the temporal family."""

import keras
import numpy as np
import scipy.interpolate
import scipy.signal

import lamina
from tests.registry._row import Row

LOOKS_BACK = dict(causal=True, streaming=True, mask="propagate", variable_axes=(1,))
EACH_STEP = dict(causal=True, streaming=True, mask="propagate", variable_axes=(1,))


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


def gated_conv1d(layer, x):
    """tanh times sigmoid of the two halves of a causal convolution."""
    kernel, bias = (keras.ops.convert_to_numpy(w) for w in layer.weights)
    halves = []
    for half, activation in ((slice(0, 3), "tanh"), (slice(3, 6), "sigmoid")):
        part = lamina.LagDense(3, layer.lags, activation=activation)
        part.build(x.shape)
        part.set_weights([kernel[..., half], bias[half]])
        halves.append(conv1d(part, x))
    return halves[0] * halves[1]


def volterra(layer, x):
    """The series, term by term: three loops, and the pairs."""
    values = {w.name: keras.ops.convert_to_numpy(w) for w in layer.weights}
    y = np.zeros((*x.shape[:2], layer.units))
    for b, t in np.ndindex(x.shape[:2]):
        z = [x[b, t - lag, c] if t >= lag else 0 for lag in range(layer.memory) for c in (0, 1)]
        y[b, t] = np.array(z) @ values["linear"] + values["bias"]
        if layer.rank:
            forms = (np.array(z) @ values["left"]) * (np.array(z) @ values["right"])
            y[b, t] += forms.reshape(layer.units, layer.rank).sum(1)
            continue
        row = 0
        for i in range(len(z)):
            for j in range(i, len(z)):
                y[b, t] += values["quadratic"][row] * z[i] * z[j]
                row += 1
    return y


def residual_conv1d(layer, x):
    """Keras' causal convolutions, each added to its input."""
    h = x @ keras.ops.convert_to_numpy(layer.projection.weights[0])[0]
    for part in layer.layers:
        h = h + conv1d(part, h)
    return h


def bent(layer):
    """`layer`, its values moved from where they start."""
    layer.build((None, None, 2))
    (values,) = layer.get_weights()
    layer.set_weights([values**2 + np.array([0, 1], "float32")])
    return layer


def interpolated(layer, x):
    """scipy's linear interpolation, extrapolated."""
    (values,) = layer.get_weights()
    t = np.linspace(-1.5, 1.5, 9)
    curves = [scipy.interpolate.make_interp_spline(t, values[:, i], k=1)(x[..., i]) for i in (0, 1)]
    return np.stack(curves, axis=2)


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
    Row(
        "GatedLagDense",
        make=lambda: lamina.GatedLagDense(3, (0, 1, 4), bias_initializer="normal"),
        inputs=signal,
        traits=LOOKS_BACK,
        oracle=gated_conv1d,
    ),
    Row(
        "Volterra",
        make=lambda: lamina.Volterra(3, 4, quadratic_initializer="normal"),
        inputs=signal,
        traits=LOOKS_BACK,
        oracle=volterra,
    ),
    Row(
        "Volterra[rank]",
        make=lambda: lamina.Volterra(3, 4, rank=2),
        inputs=signal,
        traits=LOOKS_BACK,
        oracle=volterra,
    ),
    Row(
        "TemporalBlock",
        make=lambda: lamina.TemporalBlock(4, size=2, dilations=(1, 3), activation="tanh"),
        inputs=signal,
        traits=LOOKS_BACK,
        oracle=residual_conv1d,
    ),
    Row(
        "Snake",
        make=lambda: lamina.Snake(0.7),
        inputs=signal,
        traits=EACH_STEP,
        oracle=lambda layer, x: x + np.sin(0.7 * x) ** 2 / 0.7,
    ),
    Row(
        "Spline",
        make=lambda: bent(lamina.Spline(9, -1.5, 1.5)),
        inputs=signal,
        traits=EACH_STEP,
        oracle=interpolated,
    ),
]
