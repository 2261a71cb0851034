"""Which of Keras' layers stream, by type and configuration.

Only exact types: a subclass may do anything in its `call`.
"""

import functools
import inspect
import math
import string
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from lamina._common import Array, Shape, to_numpy
from lamina._common._fast import product
from lamina.streaming._flow import Flow
from lamina.streaming._nodes import (
    Declared,
    Marked,
    PerStep,
    Protocol,
    Recurrent,
    Rewritten,
    Window,
)
from lamina.streaming._refused import PROTOCOL, Refused


def node_of(layer: Any, flows: list[Flow]) -> PerStep:
    """The node of a layer whose first argument has `flows`; Refused if it cannot stream."""
    if hasattr(layer, "receptive_field"):
        return _protocol(layer)
    rule = RULES.get(type(layer))
    if rule is None:
        raise Refused("it is not known to stream", _own(layer))
    return rule(layer, flows)


def _own(layer: keras.layers.Layer) -> str:
    if isinstance(layer, keras.Model):
        return f"Build it as a Functional or Sequential model, or {PROTOCOL}."
    return f"Use a layer of the table in docs/streaming.md, or {PROTOCOL}."


def _protocol(layer: Any) -> PerStep:
    field, ratio = layer.receptive_field, getattr(layer, "output_ratio", 1)
    if not isinstance(field, int | float) or not field >= 1:
        raise Refused(
            f"its `receptive_field` is {field!r}",
            "Give it as the samples that one output depends on, the current one included; "
            "float('inf') for a recurrent layer.",
        )
    if getattr(layer, "block_size", 1) != 1 or ratio < 1 or ratio != int(ratio):
        raise Refused(
            f"`block_size` {layer.block_size} with `output_ratio` {ratio} is not supported yet",
            "Only a block size of 1 and a whole number of outputs per sample are.",
        )
    if all(callable(getattr(layer, name, None)) for name in ("initial_state", "step")):
        return Protocol(layer)
    if field != 1:
        raise Refused("it looks back, but has no `initial_state` and `step`", _own(layer))
    return Declared(layer)


# (layer, flows of its first argument) -> node
Rule = Callable[[Any, list[Flow]], PerStep]


def _alike(layer: Any, flows: list[Flow]) -> PerStep:
    return PerStep()


def _activation_of(layer: Any) -> None:
    """Refuse an activation that mixes time steps, found by trying it."""
    activation = getattr(layer, "activation", None)
    if activation is None:
        return
    x = np.random.default_rng(0).standard_normal((2, 5, 4)).astype("float32")
    at_once, *parts = (
        to_numpy(activation(ops.convert_to_tensor(p))) for p in (x, x[:, :2], x[:, 2:])
    )
    # Parts may run other code for other shapes, which differs by float32's rounding (1e-7 of values
    # of about 1) with room for functions such as exp.
    if not np.allclose(at_once, np.concatenate(parts, axis=1), atol=1e-5, equal_nan=True):
        raise Refused(
            "its activation mixes time steps", "Use an activation of the last axis or elementwise."
        )


def _activated(layer: Any, flows: list[Flow]) -> PerStep:
    _activation_of(layer)
    return PerStep()


def _dense(layer: Any, flows: list[Flow]) -> PerStep:
    if len(flows[0].shape) < 3:
        raise Refused("it would work over the time axis", "Give the model a last axis of features.")
    _activation_of(layer)

    def apply(x: Array) -> Array:
        # A single step without its time axis: a short graph, once exported.
        alone = x.shape[1] == 1 and len(x.shape) == 3
        return layer(x[:, 0])[:, None] if alone else layer(x)

    return Rewritten(apply)


def _einsum_dense(layer: Any, flows: list[Flow]) -> PerStep:
    equation = layer.equation.replace(" ", "")
    source, target = equation.split("->")
    source, kernel = source.split(",")
    rank = len(flows[0].shape)
    free = iter(c for c in string.ascii_letters if c not in equation)
    if "..." in source:
        extra = "".join(next(free) for _ in range(rank - len(source.replace("...", ""))))
        source, target = source.replace("...", extra), target.replace("...", extra)
    if source[:2] != target[:2] or set(source[:2]) & set(kernel):
        raise Refused(
            f"its equation {layer.equation!r} works over the time axis",
            "Keep batch and time as the first two axes of input and output, such as 'abc,cd->abd'.",
        )
    return _activated(layer, flows)


def _over_features(name: str, of: Callable[[Any], Any] = lambda layer: layer.axis) -> Rule:
    """A rule: the layer's axes must be axes of features."""

    def rule(layer: Any, flows: list[Flow]) -> PerStep:
        axes, rank = of(layer), len(flows[0].shape)
        axes = [axes] if isinstance(axes, int) else list(axes or [])
        if any(axis % rank < 2 for axis in axes):
            raise Refused(f"its `{name}` {axes} takes in time", f"Use `{name}=-1`.")
        return PerStep()

    return rule


def _merge(layer: Any, flows: list[Flow]) -> PerStep:
    if len({len(f.shape) for f in flows}) != 1:
        raise Refused(
            "its inputs have different ranks", "Give all of them batch, time and features."
        )
    return Marked(layer) if isinstance(layer, _MASKED_MERGES) else PerStep()


def _sum(layer: Any, flows: list[Flow]) -> PerStep:
    kind = _merge(layer, flows)
    features: list[Any] = [f.shape[2:] for f in flows]
    if len(set(features)) == 1:
        return kind
    widest = np.broadcast_shapes(*features)
    timed = next(i for i, f in enumerate(flows) if f.timed)

    def apply(inputs: list[Array]) -> Array:
        # In its own shape (batch, 1, 1) would be taken for a bias: see `_added` of _operations.
        shape = (*ops.shape(inputs[timed])[:2], *widest)
        return layer([ops.broadcast_to(x, shape) for x in inputs])

    return Rewritten(apply)


def _prelu(layer: Any, flows: list[Flow]) -> PerStep:
    if 1 not in (layer.shared_axes or ()):
        raise Refused("it has a slope for each time step", "Use `shared_axes=[1]`.")
    return PerStep()


def _reshape(layer: Any, flows: list[Flow]) -> PerStep:
    rest = reshaped(flows[0], (flows[0].shape[0], *layer.target_shape))
    return Rewritten(lambda x: ops.reshape(x, (*ops.shape(x)[:2], *rest)))


def reshaped(flow: Flow, target: Shape) -> list[int]:
    """The feature axes of a reshape to `target` (batch, time, ...), if it leaves time alone."""
    features: list[Any]
    (batch, time, *features), (first, second) = flow.shape, (*target, None, None)[:2]
    rest = [int(n or 0) for n in target[2:]]
    size = None if None in features else math.prod(features)
    if rest.count(-1) == 1 and size is not None:
        rest[rest.index(-1)] = size // max(1, -math.prod(rest))
    free = -1 if first == batch else None  # one -1 stands for what is left: the time, or the batch
    kept = second in (free, time) and second is not None and first in (batch, -1)
    if not (kept and rest and size == math.prod(rest)):
        raise Refused(
            "its shape mixes time with features",
            "Keep time as an axis of its own: a Reshape layer with a target like (-1, features).",
        )
    return rest


def _permute(layer: Any, flows: list[Flow]) -> PerStep:
    if layer.dims[0] != 1:
        raise Refused("it moves the time axis", "Leave axis 1 where it is: dims such as (1, 3, 2).")
    return PerStep()


def _zero_padding(layer: Any, flows: list[Flow]) -> PerStep:
    left, right = layer.padding
    if right or layer.data_format != "channels_last":
        raise Refused(
            f"it pads the end of the sequence (padding={tuple(layer.padding)})",
            "Pad the start only, `ZeroPadding1D((window - 1, 0))`, before a 'valid' layer.",
        )
    return Rewritten(lambda x: x, lead=left)


def _time_distributed(layer: Any, flows: list[Flow]) -> PerStep:
    if not _row_by_row(layer.layer):
        raise Refused(
            f"its inner layer ({type(layer.layer).__name__}) is not known to see a step alone",
            "Put one of Keras' own layers without masks inside, or a Sequential model of them.",
        )

    def apply(x: Array) -> Array:
        # Keras' own loop takes one step only where the time is unknown.
        y = layer.layer(ops.reshape(x, (-1, *x.shape[2:])))
        return ops.reshape(y, (*ops.shape(x)[:2], *y.shape[1:]))

    return Rewritten(apply)


def _row_by_row(layer: Any) -> bool:
    """Is `layer` Keras' own, or Sequential of these, so that no row of a batch sees another?"""
    if type(layer) is keras.Sequential:
        return all(map(_row_by_row, layer.layers))
    own = getattr(layers, type(layer).__name__, None) is type(layer)
    return own and "mask" not in inspect.signature(layer.call).parameters


def _recurrent(layer: Any, flows: list[Flow]) -> PerStep:
    wrong = {
        "return_sequences=False gives a single result": not layer.return_sequences,
        "go_backwards=True reads the future": layer.go_backwards,
        "stateful=True keeps a state of its own": layer.stateful,
        "return_state=True gives a state at the end of the sequence": layer.return_state,
    }
    repair = "Use return_sequences=True and leave the other three False."
    for reason, holds in wrong.items():
        if holds:
            raise Refused(reason, repair)
    return Recurrent(layer)


def _causal(layer: Any) -> bool:
    """Check a windowed layer's configuration; whether it pads by itself."""
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise Refused("data_format='channels_first' puts time last", "Use 'channels_last'.")
    if layer.padding not in ("causal", "valid"):
        kind = type(layer)
        repair = (
            "Use padding='causal'."
            if kind is layers.Conv1D
            else f"Put `ZeroPadding1D((window - 1, 0))` before `{kind.__name__}(padding='valid')`."
        )
        raise Refused(f"padding={layer.padding!r} reads the future", repair)
    return layer.padding == "causal"


def _one(value: Any) -> int:
    return value if isinstance(value, int) else value[0]


def _convolution(apply: Callable[..., Array]) -> Rule:
    def rule(layer: Any, flows: list[Flow]) -> PerStep:
        size, stride, dilation = (
            _one(v) for v in (layer.kernel_size, layer.strides, layer.dilation_rate)
        )
        _activation_of(layer)
        if size == stride == 1 and layer.data_format == "channels_last":
            return PerStep()
        causal, window = _causal(layer), (size - 1) * dilation + 1
        call = functools.partial(apply, layer, stride, dilation)
        offset = 0 if causal else window - 1
        return Window(layer, flows[0].shape[-1], window, call, stride, offset)

    return rule


def _finish(layer: Any, y: Array) -> Array:
    """Bias and activation of a convolution."""
    if layer.use_bias:
        y = y + ops.cast(layer.bias, y.dtype)
    return y if layer.activation is None else layer.activation(y)


def _conv1d(layer: Any, stride: int, dilation: int, seen: Array, length: Any) -> Array:
    kernel: Array = ops.cast(layer.kernel, layer.compute_dtype)
    if length == 1:
        # One window: its taps in one matrix product, whatever the dilation.
        taps = seen[:, ::dilation]
        if layer.groups > 1:
            return _finish(layer, _in_groups(taps, kernel, layer.groups)[:, None])
        rows = kernel.shape[0] * kernel.shape[1]
        windows, columns = ops.reshape(taps, (-1, rows)), ops.reshape(kernel, (rows, -1))
        return _finish(layer, product(windows, columns)[:, None])
    return _finish(layer, ops.conv(seen, kernel, stride, "valid", dilation_rate=dilation))


def _in_groups(taps: Array, kernel: Array, groups: int) -> Array:
    """One window of a grouped convolution; TensorFlow's own cannot be written as ONNX."""
    size, features, units = kernel.shape
    taps = ops.reshape(taps, (-1, size, groups, features))
    kernel = ops.reshape(kernel, (size, features, groups, units // groups))
    return ops.reshape(ops.einsum("nsgf,sfgu->ngu", taps, kernel), (-1, units))


def _depthwise(layer: Any, stride: int, dilation: int, seen: Array, length: Any) -> Array:
    kernel = ops.cast(layer.kernel, layer.compute_dtype)
    return _finish(layer, ops.depthwise_conv(seen, kernel, stride, "valid", dilation_rate=dilation))


def _separable(layer: Any, stride: int, dilation: int, seen: Array, length: Any) -> Array:
    deep = ops.cast(layer.depthwise_kernel, layer.compute_dtype)
    wide = ops.cast(layer.pointwise_kernel, layer.compute_dtype)
    return _finish(
        layer, ops.separable_conv(seen, deep, wide, stride, "valid", dilation_rate=dilation)
    )


def _pooling(pool: Callable[..., Array]) -> Rule:
    def rule(layer: Any, flows: list[Flow]) -> PerStep:
        size, stride = _one(layer.pool_size), _one(layer.strides)
        if size == stride == 1:
            return PerStep()
        _causal(layer)

        def apply(seen: Array, length: Any) -> Array:
            return pool(seen, size, stride, "valid", data_format="channels_last")

        return Window(layer, flows[0].shape[-1], size, apply, stride, size - 1)

    return rule


def _batch_normalization(layer: Any, flows: list[Flow]) -> PerStep:
    return _over_features("axis")(layer, flows)


def _normalization(layer: Any, flows: list[Flow]) -> PerStep:
    return _over_features("axis", lambda layer: tuple(layer.axis or ()))(layer, flows)


def _discretization(layer: Any, flows: list[Flow]) -> PerStep:
    if layer.output_mode != "int":
        raise Refused(f"output_mode={layer.output_mode!r} counts over time", "Use 'int'.")
    return PerStep()


_ALIKE = (
    layers.ReLU, layers.LeakyReLU, layers.ELU, layers.Identity, layers.Masking, layers.Embedding,
    layers.Dropout, layers.SpatialDropout1D, layers.AlphaDropout, layers.GaussianDropout,
    layers.GaussianNoise, layers.ActivityRegularization, layers.Rescaling,
)  # fmt: skip
_MASKED_MERGES = (layers.Multiply, layers.Maximum, layers.Minimum)

RULES: dict[type, Rule] = {
    **dict.fromkeys(_ALIKE, _alike),
    **dict.fromkeys((layers.Add, layers.Average), _sum),
    **dict.fromkeys((layers.Subtract, *_MASKED_MERGES), _merge),
    **dict.fromkeys((layers.RNN, layers.SimpleRNN, layers.GRU, layers.LSTM), _recurrent),
    layers.Activation: _activated,
    layers.Dense: _dense,
    layers.EinsumDense: _einsum_dense,
    layers.Softmax: _over_features("axis"),
    layers.PReLU: _prelu,
    layers.Concatenate: _over_features("axis"),
    layers.BatchNormalization: _batch_normalization,
    layers.LayerNormalization: _over_features("axis"),
    layers.RMSNormalization: _over_features("axis"),
    layers.UnitNormalization: _over_features("axis"),
    layers.Normalization: _normalization,
    layers.Discretization: _discretization,
    layers.Reshape: _reshape,
    layers.Permute: _permute,
    layers.ZeroPadding1D: _zero_padding,
    layers.TimeDistributed: _time_distributed,
    layers.Conv1D: _convolution(_conv1d),
    layers.DepthwiseConv1D: _convolution(_depthwise),
    layers.SeparableConv1D: _convolution(_separable),
    layers.AveragePooling1D: _pooling(ops.average_pool),
    layers.MaxPooling1D: _pooling(ops.max_pool),
}
