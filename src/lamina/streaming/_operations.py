"""Which raw operations of a Functional graph treat every time step alike.

Each rule gives the node that runs the operation, and where batch and time are in the output.
"""

import functools
from collections.abc import Callable
from typing import Any, cast

import keras
import numpy as np
from keras import ops, tree

from lamina._common import Array, Shape, Tree
from lamina.streaming._classes import ALONG, ELEMENTWISE, REDUCTIONS, classes_of
from lamina.streaming._flow import Flow
from lamina.streaming._layers import reshaped
from lamina.streaming._nodes import PerStep, Rewritten
from lamina.streaming._refused import Refused

# Places of batch and time.
Axes = tuple[int, ...]
# (operation, args, kwargs, shapes of the outputs) -> (node, axes)
Rule = Callable[[Any, Any, Any, list[Shape]], tuple[PerStep, Axes]]

_HOW = "Work on the feature axes only, or use a causal layer for what looks back in time."


def operation_of(
    op: Any, args: Any, kwargs: Any, outputs: list[Shape]
) -> tuple[PerStep, list[Axes]]:
    """`(node, axes of each output)`; tensors in `args` are Flows, `outputs` their shapes."""
    rule = _rules().get(type(op))
    if rule is None:
        raise Refused(
            "it is not known to treat every time step alike",
            "Use an elementwise operation, or write a layer with `initial_state` and `step` "
            "(docs/streaming.md).",
        )
    node, axes = rule(op, args, kwargs, outputs)
    return node, [axes] * len(outputs)


def _flows(tree_of: Tree) -> list[Flow]:
    return [x for x in tree.flatten(tree_of) if isinstance(x, Flow)]


def _elementwise(op: Any, args: Any, kwargs: Any, outputs: list[Shape]) -> Axes:
    """Broadcasting: places count from the right, and only features may vary in a constant."""
    operands = [*tree.flatten(args), *tree.flatten(kwargs)]
    rank = len(outputs[0])
    timed = [x for x in operands if isinstance(x, Flow) and x.timed]
    places = {tuple(axis - len(x.shape) for axis in x.axes) for x in timed}
    if len(places) != 1:
        raise Refused("it joins tensors whose time axes differ", "Give both the same rank.")
    (place,) = places
    for x in operands:
        if isinstance(x, Flow) and x.timed:
            continue
        shape: Shape = x.shape if hasattr(x, "shape") else np.shape(cast(Any, x))
        at_time = shape[place[1]] if len(shape) >= -place[1] else 1
        at_batch = shape[place[0]] if len(shape) >= -place[0] else 1
        if at_time != 1 or (not isinstance(x, Flow) and at_batch != 1):
            raise Refused(
                f"its operand of shape {tuple(shape)} differs from step to step or row to row",
                "Use a value for each feature, or a size of 1 in time.",
            )
    return tuple(axis + rank for axis in place)


def _add(op: Any, args: Any, kwargs: Any, outputs: list[Shape]) -> tuple[PerStep, Axes]:
    return Rewritten(_added), _elementwise(op, args, kwargs, outputs)


def _added(x1: Array, x2: Array) -> Array:
    """`ops.add`, which on TensorFlow takes a value for each row or step, such as (batch, 1, 1), for
    a bias of the features where their number is the same (docs/keras-defects.md).
    """
    if keras.backend.backend() != "tensorflow":
        return ops.add(x1, x2)
    dtype = keras.backend.result_type(*(getattr(x, "dtype", type(x)) for x in (x1, x2)))
    left: Array = ops.convert_to_tensor(x1, dtype)
    return left + ops.convert_to_tensor(x2, dtype)


def _source(args: Any) -> Flow:
    """The one timed tensor that the operation works on: its first argument."""
    x = args[0]
    if not isinstance(x, Flow) or len(_flows(args)) != 1:
        raise Refused("it works on more than one tensor", _HOW)
    return x


def _features(x: Flow, axes: Any, what: str) -> list[int]:
    """`axes`, which must be of features, counted from the left."""
    if axes is None:
        raise Refused(f"it {what} over every axis, time too", _HOW)
    axes = [axes] if isinstance(axes, int | np.integer) else list(axes)
    axes = [int(axis) % len(x.shape) for axis in axes]
    if set(axes) & set(x.axes):
        raise Refused(f"it {what} over the time axis or the batch", _HOW)
    return axes


def _axis_of(op: Any, args: Any, kwargs: Any) -> Any:
    if "axis" in kwargs:
        return kwargs["axis"]
    return op.axis if hasattr(op, "axis") else getattr(op, "axes", None)


def _reduce(op: Any, args: Any, kwargs: Any, outputs: list[Shape]) -> Axes:
    x = _source(args)
    axes = _features(x, _axis_of(op, args, kwargs), "reduces")
    if len(outputs[0]) == len(x.shape):
        return x.axes
    return tuple(place - sum(axis < place for axis in axes) for place in x.axes)


def _along(op: Any, args: Any, kwargs: Any, outputs: list[Shape]) -> Axes:
    """Works along one axis of features, which stays."""
    x = _source(args)
    _features(x, _axis_of(op, args, kwargs), "works")
    return x.axes


def _last(op: Any, args: Any, kwargs: Any, outputs: list[Shape]) -> Axes:
    x = _source(args)
    _features(x, -1, "works")
    return x.axes


def _one_hot(op: Any, args: Any, kwargs: Any, outputs: list[Shape]) -> Axes:
    x = _source(args)
    if op.axis % (len(x.shape) + 1) <= max(x.axes):
        raise Refused("it puts its axis before time", "Use axis=-1.")
    return x.axes


def _concatenate(op: Any, args: Any, kwargs: Any, outputs: list[Shape]) -> Axes:
    flows = _flows(args)
    if len({f.axes for f in flows}) != 1 or len(flows) != len(tree.flatten(args[0])):
        raise Refused("it joins tensors whose time axes differ", "Give both the same axes.")
    _features(flows[0], op.axis, "joins")
    return flows[0].axes


def _stack(op: Any, args: Any, kwargs: Any, outputs: list[Shape]) -> Axes:
    flows = _flows(args)
    if len({f.axes for f in flows}) != 1 or len(flows) != len(tree.flatten(args[0])):
        raise Refused("it joins tensors whose time axes differ", "Give both the same axes.")
    new = op.axis % (len(flows[0].shape) + 1)
    return tuple(place + (new <= place) for place in flows[0].axes)


def _expand(op: Any, args: Any, kwargs: Any, outputs: list[Shape]) -> Axes:
    x = _source(args)
    added = [op.axis] if isinstance(op.axis, int) else list(op.axis)
    rank = len(x.shape) + len(added)
    added = {axis % rank for axis in added}
    kept = [place for place in range(rank) if place not in added]
    return tuple(kept[place] for place in x.axes)


def _squeeze(op: Any, args: Any, kwargs: Any, outputs: list[Shape]) -> Axes:
    x = _source(args)
    axes = _features(x, op.axis, "squeezes")
    return tuple(place - sum(axis < place for axis in axes) for place in x.axes)


def _order(x: Flow, order: Any) -> Axes:
    return tuple(list(order).index(place) for place in x.axes)


def _transpose(op: Any, args: Any, kwargs: Any, outputs: list[Shape]) -> Axes:
    x = _source(args)
    rank = len(x.shape)
    return _order(x, [axis % rank for axis in op.axes or reversed(range(rank))])


def _swapaxes(op: Any, args: Any, kwargs: Any, outputs: list[Shape]) -> Axes:
    x = _source(args)
    order = list(range(len(x.shape)))
    a, b = op.axis1 % len(order), op.axis2 % len(order)
    order[a], order[b] = order[b], order[a]
    return _order(x, order)


def _moveaxis(op: Any, args: Any, kwargs: Any, outputs: list[Shape]) -> Axes:
    x = _source(args)
    order = np.moveaxis(np.empty([i + 1 for i in range(len(x.shape))]), op.source, op.destination)
    return _order(x, [n - 1 for n in order.shape])


def _get_item(op: Any, args: Any, kwargs: Any, outputs: list[Shape]) -> Axes:
    x, key = _source(args[:1]), args[1] if len(args) > 1 else kwargs["key"]
    key = list(key) if isinstance(key, tuple | list) else [key]
    if not any(k is Ellipsis for k in key):
        key.append(Ellipsis)
    used = sum(k is not None and k is not Ellipsis for k in key)
    at = next(i for i, k in enumerate(key) if k is Ellipsis)
    key[at : at + 1] = [slice(None)] * (len(x.shape) - used)
    places, axis, out = {}, 0, 0
    for k in key:
        if k is None:
            out += 1
            continue
        if axis in x.axes and k != slice(None):
            what = "time" if axis == x.axes[1] else "the batch"
            raise Refused(
                f"it indexes {what}",
                "Slice the feature axes only, x[..., a:b]. Use strides of a causal layer to keep "
                "every n-th sample, lamina.Delay to look back.",
            )
        places[axis] = out
        out += isinstance(k, slice)
        axis += 1
    return tuple(places[place] for place in x.axes)


def _matmul(op: Any, args: Any, kwargs: Any, outputs: list[Shape]) -> Axes:
    left, right = args
    if isinstance(left, Flow) and left.timed and not _is_timed(right):
        if len(np.shape(right) if not isinstance(right, Flow) else right.shape) <= 2:
            _features(left, -1, "multiplies")
            return left.axes
    elif _is_timed(left) and _is_timed(right) and left.axes == right.axes:
        if len(left.shape) == len(right.shape) and max(left.axes) < len(left.shape) - 2:
            return left.axes
    raise Refused("it multiplies over the time axis", "Multiply the last axis by a matrix.")


def _dot(op: Any, args: Any, kwargs: Any, outputs: list[Shape]) -> Axes:
    left, right = args
    if not _is_timed(left) or len(np.shape(right)) > 2 or isinstance(right, Flow):
        raise Refused("it multiplies over the time axis", "Multiply the last axis by a matrix.")
    _features(left, -1, "multiplies")
    return left.axes


def _normalized(op: Any, args: Any, kwargs: Any, outputs: list[Shape]) -> Axes:
    x = _source(args[:1])
    _features(x, _axis_of(op, args, kwargs), "normalises")
    if any(_is_timed(v) for v in tree.flatten((args[1:], kwargs))):
        raise Refused("its scale has a time axis", "Use a scale for each feature.")
    return x.axes


def _is_timed(x: Any) -> bool:
    return isinstance(x, Flow) and x.timed


def _einsum(op: Any, args: Any, kwargs: Any, outputs: list[Shape]) -> Axes:
    equation = op.subscripts.replace(" ", "")
    if "..." in equation or "->" not in equation:
        raise Refused("its equation is not explicit", "Write out every axis, with '->'.")
    inputs, target = equation.split("->")
    found: Any = None
    for x, letters in zip(args, inputs.split(","), strict=True):
        mine = tuple(letters[place] for place in x.axes) if _is_timed(x) else None
        if mine is not None and found not in (None, mine):
            raise Refused("it multiplies different time steps", "Give both the same time letter.")
        found = mine or found
    for x, letters in zip(args, inputs.split(","), strict=True):
        if not _is_timed(x) and found[1] in letters:
            raise Refused("an operand differs from step to step", _HOW)
    if any(target.count(letter) != 1 for letter in found):
        raise Refused("it sums over the time axis or the batch", _HOW)
    return tuple(target.index(letter) for letter in found)


def _take(op: Any, args: Any, kwargs: Any, outputs: list[Shape]) -> Axes:
    table, index = args
    if isinstance(table, Flow) or not _is_timed(index) or op.axis not in (0, None):
        raise Refused("it picks out of a tensor that has a time axis", _HOW)
    return index.axes


def _pad(op: Any, args: Any, kwargs: Any, outputs: list[Shape]) -> Axes:
    x = _source(args)
    widths = list(op.pad_width) * (len(x.shape) if len(op.pad_width) == 1 else 1)
    if any(any(widths[place]) for place in x.axes):
        raise Refused("it pads time", "Use a layer: ZeroPadding1D((left, 0)) before a window.")
    return x.axes


def _same(op: Any, args: Any, kwargs: Any, outputs: list[Shape]) -> Axes:
    return _source(args).axes


def _tile(op: Any, args: Any, kwargs: Any, outputs: list[Shape]) -> Axes:
    x = _source(args)
    repeats = [op.repeats] if isinstance(op.repeats, int) else list(op.repeats)
    repeats = [1] * (len(x.shape) - len(repeats)) + repeats
    if len(repeats) != len(x.shape) or any(repeats[place] != 1 for place in x.axes):
        raise Refused("it repeats time or the batch", _HOW)
    return x.axes


def _reshape(op: Any, args: Any, kwargs: Any, outputs: list[Shape]) -> tuple[PerStep, Axes]:
    x = _source(args)
    if x.axes != (0, 1):
        raise Refused("it reshapes a tensor whose time is not axis 1", "Transpose it back first.")
    rest = reshaped(x, op.newshape)
    node = Rewritten(lambda x: ops.reshape(x, (*ops.shape(x)[:2], *rest)))
    return node, (0, 1)


def _unchanged(axes_of: Callable[..., Axes]) -> Rule:
    """The rule of an operation that runs as it is."""
    return lambda *call: (PerStep(), axes_of(*call))


_AXES = {
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    **dict.fromkeys(REDUCTIONS, _reduce),
    **dict.fromkeys(ALONG, _along),
    "top_k": _last,
    "one_hot": _one_hot,
    "concatenate": _concatenate,
    "stack": _stack,
    "expand_dims": _expand,
    "squeeze": _squeeze,
    "transpose": _transpose,
    "swapaxes": _swapaxes,
    "moveaxis": _moveaxis,
    "get_item": _get_item,
    "matmul": _matmul,
    "dot": _dot,
    "unstack": _squeeze,
    "layer_normalization": _normalized,
    "rms_normalization": _normalized,
    "einsum": _einsum,
    "take": _take,
    "pad": _pad,
    "digitize": _same,
    "tile": _tile,
}
_RULES: dict[str, Rule] = {
    **{name: _unchanged(axes_of) for name, axes_of in _AXES.items()},
    "add": _add,
    "reshape": _reshape,
}


@functools.cache
def _rules() -> dict[type, Rule]:
    """`{class of operation: rule}`."""
    return {kind: _RULES[name] for name, kind in classes_of(_RULES).items()}
