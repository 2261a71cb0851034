"""A model as a list of nodes with explicit state: what `Stream` runs and exports."""

import hashlib
import inspect
import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from lamina._common import Array, State, Tree, received, to_numpy
from lamina.streaming._flow import Flow, Schedule, delayed, multiplied
from lamina.streaming._layers import node_of
from lamina.streaming._nodes import Declared, Marked, PerStep
from lamina.streaming._operations import operation_of
from lamina.streaming._refused import Refused, refuse_known
from lamina.streaming._walk import Call, Program, Ref, walk


class Plan:
    """The nodes of a model, in order.

    Attributes:
        inputs, outputs: The model's structure, of Refs.
        flows: What is known of each tensor.
        nodes: `Node`s in order.
    """

    def __init__(self, model: keras.Model) -> None:
        program = walk(model)
        self.inputs, self.outputs = program.inputs, program.outputs
        self.flows = _input_flows(program)
        self.nodes: list[Node] = []
        calls: dict[str, int] = {}
        for call in program.calls:
            number = calls[call.path] = calls.get(call.path, -1) + 1
            self.nodes.append(_planned(call, number, self.flows, program.specs))
        self._check_outputs()
        self.timed_inputs = [r for r in tree.flatten(self.inputs) if self.flows[r].timed]

    def _check_outputs(self):
        ends = [self.flows[r] for r in tree.flatten(self.outputs)]
        if any(f.axes not in (None, (0, 1)) or f.lead for f in ends):
            raise ValueError("`Stream` needs outputs of shape (batch, time, ...).")
        if not any(f.timed for f in ends):
            raise ValueError("`Stream` needs an output with a time axis. This model has none.")
        self.every_sample = all(f.schedule == () for f in self.flows.values() if f.timed)

    @property
    def receptive_field(self) -> int | float:
        field = max(self.flows[r].reach for r in tree.flatten(self.outputs))
        return math.inf if math.isinf(field) else int(field)

    def remembering(self) -> list["Node"]:
        return [node for node in self.nodes if node.remembers]

    def initial_state(self, batch: int) -> State:
        """`{"<path>#<call>/<name>": array}`."""
        return {
            f"{node.key}/{name}": ops.convert_to_tensor(value)
            for node in self.remembering()
            for name, value in node.kind.initial_state(batch).items()
        }

    def initial_first(self) -> dict[str, int]:
        """For each node that skips samples: how many to go until the next result."""
        return {n.key: n.first for n in self.remembering() if (n.kind.stride, n.first) != (1, 0)}

    def fingerprint(self) -> str:
        """Of what the state means: the layers, their order, reach, and shapes of state and weights.

        Not of the values: a model trained further is the same model.
        """
        state = self.initial_state(1)
        parts: list[str] = [
            f"{k} {tuple(v.shape)} {keras.backend.standardize_dtype(v.dtype)}"
            for k, v in state.items()
        ]
        for node in self.nodes:
            shapes = [tuple(w.shape) for w in getattr(node.op, "weights", ())]
            kind = node.kind
            reach = kind.receptive_field, kind.stride, kind.ratio
            parts.append(f"{node.key} {type(node.op).__name__} {reach} {shapes}")
        parts += [f"{key} {first}" for key, first in self.initial_first().items()]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def lengths(
        self, length: int, first: Mapping[str, int]
    ) -> tuple[dict[Ref, int], dict[str, int]]:
        """Samples of each tensor when `length` come in, and the `first` of the next block."""
        lengths = dict.fromkeys(self.timed_inputs, length)
        first = dict(first)
        for node in self.nodes:
            if not node.timed:
                continue
            n = lengths[node.timed[0]]
            if node.key in first:
                waiting, stride = first[node.key], node.kind.stride
                m = max(0, -(-(n - waiting) // stride))
                first[node.key] = waiting + m * stride - n
                n = m
            lengths.update(dict.fromkeys(node.outputs, n * node.kind.ratio))
        return lengths, first

    def run(
        self,
        inputs: list[Array],
        masks: list[Array | None],
        state: State,
        first: Mapping[str, int],
        lengths: Mapping[Ref, int] | None = None,
    ) -> tuple[list[Array], State]:
        """Outputs and new state for one block. `lengths`: those of tensors that may be empty."""
        values = dict(zip(tree.flatten(self.inputs), inputs, strict=True))
        known: dict[Ref, Array] = dict(zip(self.timed_inputs, masks, strict=True))
        state = dict(state)
        for node in self.nodes:
            if lengths and node.timed and not lengths[node.timed[0]]:
                found, new, mask = [None] * len(node.outputs), {}, None
            else:
                due = not lengths or not node.timed or lengths[node.outputs[0]]
                place = first.get(node.key, 0) if due else None
                found, new, mask = node.run(values, known, state, place)
            state.update(new)
            self.keep(node, found, mask, values, known)
            for ref in node.outputs:
                if lengths and ref in lengths and not lengths[ref]:
                    values[ref], known[ref] = self._nothing(ref, inputs[0]), None
        return [values[r] for r in tree.flatten(self.outputs)], state

    def keep(
        self,
        node: "Node",
        found: list[Array],
        mask: Tree,
        values: dict[Ref, Array],
        masks: dict[Ref, Array],
    ) -> None:
        """Keep the outputs of a node and their masks for later nodes."""
        flat = tree.flatten(mask) if mask is not None else []
        values.update(zip(node.outputs, found, strict=True))
        masks.update(zip(node.outputs, [*flat, *[None] * len(found)], strict=False))

    def _nothing(self, ref: Ref, like: Array) -> Array:
        flow = self.flows[ref]
        shape = [0 if axis == flow.axes[1] else n for axis, n in enumerate(flow.shape)]
        shape[flow.axes[0]] = like.shape[0]
        return ops.zeros(shape, flow.dtype)


class Node:
    """One call, ready to run.

    Attributes:
        key: `"<path>#<call>"`.
        timed: Refs of its inputs that have a time axis.
        first: Samples to go, at the start, until its first result.
    """

    def __init__(self, call: Call, key: str, kind: PerStep, first: int) -> None:
        self.op, self.key, self.kind, self.first = call.op, key, kind, first
        self.args = _constants(call.args)
        self.kwargs = {k: _constants(v) for k, v in call.kwargs.items()}
        self.outputs = call.outputs
        self.timed: list[Ref] = []
        self.is_layer = isinstance(self.op, keras.layers.Layer)
        self.remembers = kind.remembers
        if self.is_layer:
            self.parameters = inspect.signature(self.op.call).parameters
            if "training" in self.parameters:
                self.kwargs = {**self.kwargs, "training": False}

    def run(
        self, values: dict[Ref, Array], masks: dict[Ref, Array], state: State, first: int | None
    ) -> tuple[list[Array], State, Tree]:
        """`(flat outputs, new entries of the state, mask)`."""
        args, kwargs = _filled(self.args, values), _filled(self.kwargs, values)
        if not self.is_layer:
            kind = self.kind
            call = kind if callable(kind) else self.op
            return tree.flatten(call(*args, **kwargs)), {}, None
        mask: Tree = kwargs.pop("mask", None)
        if mask is None:
            mask = tree.map_structure(
                lambda x: masks.get(x) if isinstance(x, Ref) else None, self.args[0]
            )
        held = any(m is not None for m in tree.flatten(mask))
        new = {}
        if self.remembers:
            found, new = self._step(args[0], mask if held else None, state, first)
        elif callable(self.kind):
            found = self.kind(args[0])
        elif held and isinstance(self.kind, Marked):
            found = self.kind.masked(args[0], mask)
        else:
            if held and "mask" in self.parameters:
                kwargs["mask"] = mask
            found = self.op(*args, **kwargs)
        after = None
        if self.op.supports_masking:
            after = self.op.compute_mask(args[0], mask)
        return tree.flatten(found), new, after

    def _step(self, x: Tree, mask: Tree, state: State, first: int | None) -> tuple[Tree, State]:
        prefix = f"{self.key}/"
        mine = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        if getattr(self.op, "autocast", True):
            x = tree.map_structure(self._cast, x)
        y, new = self.kind.step(x, mine, mask, first)
        if new.keys() != mine.keys():
            raise ValueError(
                f"{self.key}: `step` must return a state of the names that it got, "
                f"{sorted(mine)}. {received('state', sorted(new))}"
            )
        return y, {prefix + name: value for name, value in new.items()}

    def _cast(self, x: Array) -> Array:
        floating = keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype))
        return ops.cast(x, self.op.compute_dtype) if floating else x


def _constants(arguments: Tree) -> Any:
    """Constant tensors as NumPy arrays: TensorFlow would make them inputs of an ONNX file."""
    frozen = keras.backend.backend() == "tensorflow"

    def plain(x: Any) -> Any:
        return to_numpy(x) if frozen and ops.is_tensor(x) and not hasattr(x, "assign") else x

    return tree.map_structure(plain, arguments)


def _filled(arguments: Tree, values: Mapping[Ref, Any]) -> Any:
    return tree.map_structure(lambda x: values[x] if isinstance(x, Ref) else x, arguments)


def _input_flows(program: Program) -> dict[Ref, Flow]:
    """Inputs whose second axis is as long as the first one's are sequences; others are constant."""
    refs = tree.flatten(program.inputs)
    specs = [program.specs[r] for r in refs]
    for spec in specs:
        if len(spec.shape) < 2:
            raise ValueError(
                "`Stream` needs inputs of shape (batch, time, ...). "
                f"{received('input', spec.name, shape=spec.shape)}"
            )
    times = [spec.shape[1] for spec in specs]
    time = None if None in times else times[0]
    return {
        ref: Flow(tuple(spec.shape), spec.dtype, (0, 1) if spec.shape[1] == time else None)
        for ref, spec in zip(refs, specs, strict=True)
    }


def _planned(call: Call, number: int, flows: dict[Ref, Flow], specs: Mapping[Ref, Any]) -> Node:
    """The Node of a call; the flows of its outputs are added to `flows`."""
    try:
        node, found = _node(call, number, flows, specs)
    except Refused as refused:
        raise refused.at(call.path, call.op) from None
    flows.update(found)
    return node


def _node(
    call: Call, number: int, flows: Mapping[Ref, Flow], specs: Mapping[Ref, Any]
) -> tuple[Node, dict[Ref, Flow]]:
    _check_training(call)
    refs = [x for x in tree.flatten((call.args, call.kwargs)) if isinstance(x, Ref)]
    timed = [r for r in refs if flows[r].timed]
    shapes = [tuple(specs[r].shape) for r in call.outputs]
    if not timed:
        kind: PerStep = PerStep()
        axes: list[Any] = [None] * len(shapes)
    elif isinstance(call.op, keras.layers.Layer):
        kind, axes = _layer(call, flows), [(0, 1)] * len(shapes)
    else:
        args, kwargs = _filled(call.args, flows), _filled(call.kwargs, flows)
        kind, axes = operation_of(call.op, args, kwargs, shapes)
    schedule, lead, first, reach = _timing(kind, [flows[r] for r in timed])
    node = Node(call, f"{call.path}#{number}", kind, first)
    node.timed = timed
    found = {
        ref: Flow(shape, specs[ref].dtype, axis, schedule, lead, reach)
        for ref, shape, axis in zip(call.outputs, shapes, axes, strict=True)
    }
    return node, found


def _check_training(call: Call) -> None:
    if call.kwargs.get("training"):
        raise Refused("it was called with training=True", "Leave `training` out of the call.")


def _layer(call: Call, flows: Mapping[Ref, Flow]) -> PerStep:
    extra = {k: v for k, v in call.kwargs.items() if k not in ("mask", "training")}
    extra = {k: v for k, v in extra.items() if v is not None}
    rest = [x for x in call.args[1:] if x is not None]
    refuse_known(call.op)
    if (extra or rest) and not _constant(call.op, [extra, rest], flows):
        raise Refused(
            f"it is called with more than its input ({', '.join(extra) or 'several arguments'})",
            "Give it its input alone; a recurrent layer starts from zeros.",
        )
    mine = [flows[r] for r in tree.flatten(call.args[0]) if isinstance(r, Ref)]
    if not mine:
        raise Refused("its input is not a tensor of the model", "Call it on one.")
    kind = Declared(call.op) if extra or rest else node_of(call.op, mine)
    if any(f.timed and f.axes != (0, 1) for f in mine):
        raise Refused("its input is not (batch, time, ...)", "Transpose it back before the layer.")
    knows = isinstance(kind, Declared) or kind.remembers
    if not knows and any(not f.timed and f.shape[1] != 1 for f in mine):
        raise Refused("one of its inputs has no time axis", "Give that input a time axis of 1.")
    return kind


def _constant(layer: Any, arguments: Tree, flows: Mapping[Ref, Flow]) -> bool:
    """Does `layer` treat every step alike, with further `arguments` that have no time axis?"""
    alike = getattr(layer, "receptive_field", None) == 1
    if not alike or (hasattr(layer, "initial_state") and layer.initial_state(1)):
        return False
    return not any(
        flows[x].timed if isinstance(x, Ref) else np.ndim(x) > 1 for x in tree.flatten(arguments)
    )


def _timing(kind: PerStep, flows: list[Flow]) -> tuple[Schedule, int, int, float]:
    """Schedule, lead, first and reach behind a node."""
    if not flows:
        return (), 0, 0, 1
    if len({(f.schedule, f.lead) for f in flows}) != 1:
        raise Refused(
            "its inputs come at different times",
            "Bring the branches to the same number of samples: the same strides and padding.",
        )
    before, lead = flows[0], flows[0].lead
    if lead and not kind.lead and (not kind.offset or lead > kind.offset):
        raise Refused(
            f"the {lead} zeros before the sequence are not taken up by a window",
            f"Let a 'valid' convolution or pooling over {lead + 1} samples follow ZeroPadding1D "
            "at once.",
        )
    if kind.lead:
        reach = max(f.reach for f in flows)
        return before.schedule, lead + kind.lead, 0, reach
    first = kind.offset - lead
    schedule = delayed(before.schedule, kind.stride, first)
    schedule = multiplied(schedule, kind.ratio)
    reach = max(f.widened(kind.receptive_field) for f in flows)
    return schedule, 0, first, reach
