"""How one call of a model runs on a block: what every kind of layer is turned into.

Each kind has the same members: `receptive_field`, `stride` and `offset` (it gives a sample
for every `stride`-th one, from number `offset` on), `ratio` (samples out for each one in),
`initial_state(batch)` and `step(x, state, mask, first)`. `first` is the first sample of the block
that gives a result; None if none does.
"""

import inspect
from collections.abc import Callable
from typing import Any

import keras
from keras import ops, tree

from lamina._common import Array, State, Tree


class PerStep:
    """Treats every step alike and remembers nothing: the layer or operation itself."""

    receptive_field: int | float = 1
    stride, offset, ratio, lead = 1, 0, 1, 0
    remembers = False

    def initial_state(self, batch: int) -> State:
        return {}

    def step(
        self, x: Array, state: State, mask: Array | None, first: int | None
    ) -> tuple[Array, State]:
        raise NotImplementedError("runs as the layer or operation itself")


class Rewritten(PerStep):
    """Per step, but by another expression: one that does not depend on the length of a block."""

    def __init__(self, function: Callable[..., Array], lead: int = 0) -> None:
        self.function = function
        self.lead = lead

    def __call__(self, *inputs: Array) -> Array:
        return self.function(*inputs)


class Marked(PerStep):
    """A merge: it looks for masks on its input tensors, where Keras leaves them."""

    def __init__(self, layer: keras.layers.Layer) -> None:
        self.layer, self.mark = layer, _Mark(dtype=layer.dtype_policy, autocast=False, name="mark")

    def masked(self, inputs: list[Array], masks: list[Array | None]) -> Array:
        pairs = zip(inputs, masks, strict=True)
        return self.layer([x if m is None else self.mark((x, m)) for x, m in pairs])


class _Mark(keras.layers.Layer):
    """A tensor and its mask to a tensor that carries it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: list[Array]) -> Array:
        return ops.copy(inputs[0])

    def compute_mask(self, inputs: list[Array], previous_mask: Tree) -> Array:
        return inputs[1]


class Declared(PerStep):
    """A layer that declares, by `receptive_field = 1`, that it treats every step alike."""

    def __init__(self, layer: keras.layers.Layer) -> None:
        self.ratio = int(getattr(layer, "output_ratio", 1))


class Protocol(PerStep):
    """A layer with the streaming protocol of its own."""

    remembers = True

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.receptive_field = layer.receptive_field
        self.ratio = int(getattr(layer, "output_ratio", 1))
        mixed = layer.compute_dtype != layer.variable_dtype
        self.take: Callable[..., Any] = _Casting(layer).__call__ if mixed else layer.step

    def initial_state(self, batch: int) -> State:
        return self.layer.initial_state(batch)

    def step(
        self, x: Array, state: State, mask: Array | None, first: int | None
    ) -> tuple[Array, State]:
        return self.take(x, state, mask) if mask is not None else self.take(x, state)


class _Casting(keras.layers.Layer):
    """Calls a layer's `step` as Keras calls a layer: its weights come in the compute dtype."""

    def __init__(self, layer: Any) -> None:
        super().__init__(dtype=layer.dtype_policy, autocast=False, name="casting")
        self.take = layer.step
        self.built = True

    def call(self, x: Array, state: State, mask: Array | None = None) -> tuple[Array, State]:
        return self.take(x, state, mask) if mask is not None else self.take(x, state)


class Window(PerStep):
    """A function of the last `receptive_field` samples, which it keeps: convolution, pooling."""

    remembers = True

    def __init__(
        self,
        layer: keras.layers.Layer,
        features: int | None,
        window: int,
        apply: Callable[[Array, Any], Array],
        stride: int = 1,
        offset: int = 0,
    ) -> None:
        self.layer, self.features, self.apply = layer, features, apply
        self.receptive_field, self.stride, self.offset = window, stride, offset

    def initial_state(self, batch: int) -> State:
        past = (batch, self.receptive_field - 1, self.features)
        return {"past": ops.zeros(past, self.layer.compute_dtype)}

    def step(
        self, x: Array, state: State, mask: Array | None, first: int | None
    ) -> tuple[Array, State]:
        seen = ops.concatenate([state["past"], x], axis=1)
        y = None
        if first is not None:
            y = self.apply(seen[:, first:] if first else seen, x.shape[1])
        return y, {"past": seen[:, ops.shape(x)[1] :]}


class Recurrent(PerStep):
    """Keras' RNN layers over any cell. The cell is the layer's own."""

    remembers = True
    receptive_field = float("inf")

    def __init__(self, layer: Any) -> None:
        self.layer, self.cell = layer, layer.cell
        self.training = {"training": False} if _takes_training(self.cell) else {}
        # A masked step repeats the output before it. Keras' own cells have it as their first
        # state, and on JAX any cell is taken to.
        kinds = (keras.layers.GRU, keras.layers.LSTM, keras.layers.SimpleRNN)
        as_state = isinstance(layer, kinds) or keras.backend.backend() == "jax"
        self.keeps_output = not as_state and not layer.zero_output_for_mask
        self.loop: Any = keras.layers.RNN(
            layer.cell,
            return_sequences=True,
            return_state=True,
            zero_output_for_mask=layer.zero_output_for_mask,
            dtype=layer.dtype_policy,
        )

    def initial_state(self, batch: int) -> State:
        cells = self.layer.get_initial_state(batch)
        state = self._named(tree.map_structure(self._cast, cells))
        if self.keeps_output:
            units = self.layer.compute_output_shape((batch, 1, 1))[-1]
            state["output"] = ops.zeros((batch, units), self.layer.compute_dtype)
        return state

    def step(
        self, x: Array, state: State, mask: Array | None, first: int | None
    ) -> tuple[Array, State]:
        structure = self.layer.get_initial_state(1)
        count = len(tree.flatten(structure))
        cells = tree.pack_sequence_as(structure, [state[f"cell{i}"] for i in range(count)])
        last = cells[-1][0] if tree.is_nested(cells[-1]) else cells[0]
        before = state["output"] if self.keeps_output else last
        if x.shape[1] == 1:
            y, cells = self._one(x, cells, mask, before)
        else:
            y, *cells = self.loop(x, initial_state=cells, mask=mask, training=False)
            if mask is not None and not self.layer.zero_output_for_mask:
                # Until a row's first valid sample, its output is the one before this block.
                started = ops.cumsum(ops.cast(mask, "int32"), axis=1)[..., None] > 0
                y = ops.where(started, y, before[:, None])
        state = self._named(tree.map_structure(self._cast, cells))
        if self.keeps_output:
            state["output"] = y[:, -1]
        return y, state

    def _one(self, x: Array, cells: Tree, mask: Array | None, before: Array) -> Any:
        """A single sample without a loop, so that the step exports as plain arithmetic."""
        y, new = self.cell(x[:, 0], cells, **self.training)
        if not tree.is_nested(new):
            new = [new]
        y = ops.cast(y, self.layer.compute_dtype)
        if mask is not None:
            keep = ops.cast(mask, "bool")
            other = ops.zeros_like(y) if self.layer.zero_output_for_mask else before
            y = ops.where(keep, y, other)
            flat = zip(tree.flatten(new), tree.flatten(cells), strict=True)
            chosen = [ops.where(_as_rank(keep, a), a, b) for a, b in flat]
            new = tree.pack_sequence_as(cells, chosen)
        return y[:, None], list(new)

    def _named(self, cells: Tree) -> State:
        return {f"cell{i}": x for i, x in enumerate(tree.flatten(cells))}

    def _cast(self, x: Array) -> Array:
        return ops.cast(x, self.cell.compute_dtype)


def _as_rank(mask: Array, x: Array) -> Array:
    """`mask` `(batch, 1)` with the rank of `x`."""
    return ops.reshape(mask, (-1,) + (1,) * (len(x.shape) - 1))


def _takes_training(layer: Any) -> bool:
    return "training" in inspect.signature(layer.call).parameters
