"""`Stream`: a causal model, sample by sample, exactly."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from lamina._common import Array, Tree, positive_integer, received
from lamina._common._compiled import compiled
from lamina.streaming import _state
from lamina.streaming._blocks import as_block, block_of, flat_inputs, masks_of, pieces, segments
from lamina.streaming._export import export
from lamina.streaming._plan import Plan


class Stream:
    """Runs a model sample by sample, with the results of the whole sequence.

        concat(stream.push(x[:, :a]), stream.push(x[:, a:]), ...) == model(x)

    for any split of a sequence, empty pieces included. Between calls the stream keeps what the
    layers need of the past: the last samples for those that look back, the state of recurrent ones.
    The model's own weights are used: what is trained further shows at once. One `Stream` serves
    one thread. See `docs/streaming.md` for the layers that stream.

    Args:
        model: A built Functional or Sequential model, of lamina's layers, Keras' causal ones, and
            any that follow the protocol of `lamina.streaming.Causal`: `receptive_field`,
            `initial_state(batch)`, `step(x, state, mask=None)`. It runs as in inference.
        batch_size: Sequences that run side by side.
        jit_compile: On TensorFlow: compile by XLA, as in `compile`. Each length of block compiles
            for itself (a few powers of two), which pays where blocks are long and always alike.

    Exactness:
        Relative to the largest |y| of the sequence 1e-6 in float32 and 1e-12 in float64, for any
        split; equal to the bit for the same split.

    Masking:
        `push(x, mask=...)` gives what `model(x, mask=...)` gives.

    Raises:
        ValueError: if a layer cannot stream; it names the layer's path and what to use instead.

    Example:
        >>> model = keras.Sequential([keras.Input((None, 1)), keras.layers.Conv1D(
        ...     1, 2, padding="causal", kernel_initializer="ones", use_bias=False)])
        >>> stream = lamina.Stream(model)
        >>> stream.push(np.array([[[1.0], [2.0], [3.0]]]))[0, :, 0]
        [1., 3., 5.]
        >>> stream.step(np.array([[4.0]]))
        [[7.]]
        >>> stream.receptive_field
        2
    """

    def __init__(self, model: keras.Model, batch_size: int = 1, jit_compile: bool = False) -> None:
        if not isinstance(model, keras.Model):
            raise ValueError(f"`model` must be a Keras model. {received('model', model)}")
        self.model = model
        self.batch_size = positive_integer("batch_size", batch_size, "the number of sequences")
        self.jit_compile = bool(jit_compile)
        self._plan = Plan(model)
        self._functions: dict[tuple, Callable[..., Any]] = {}
        self._fresh = self._plan.initial_state(self.batch_size)
        self.reset()

    @property
    def receptive_field(self) -> int | float:
        """Samples of the input that one output depends on, the current one included."""
        return self._plan.receptive_field

    def step(self, x: Tree, mask: Tree = None) -> Tree:
        """One sample `(batch, features)`, or a structure of them, to one output `(batch, units)`.

        `mask` `(batch,)`: False where the sample is missing.
        """
        if not self._plan.every_sample:
            raise ValueError(
                "`step` needs a model that gives one output for each sample; this one does not. "
                "Use `push`, which gives as many as are due."
            )
        refs = tree.flatten(self._plan.inputs)
        samples = zip(refs, flat_inputs(self._plan.inputs, x), strict=True)
        blocks = [as_block(v) if self._plan.flows[r].timed else v for r, v in samples]
        mask = None if mask is None else tree.map_structure(as_block, mask)
        y = self.push(tree.pack_sequence_as(self._plan.inputs, blocks), mask)
        return tree.map_structure(lambda y: y[:, 0], y)

    def push(self, x: Tree, mask: Tree = None, reset: Array | None = None) -> Tree:
        """A block `(batch, n, features)`, n >= 0, to the outputs that are due `(batch, m, units)`.

        Args:
            x: The block, or a structure of blocks like the model's inputs.
            mask: `(batch, n)`, False where a sample is missing; or one for each input.
            reset: `(batch, n)`, True at a sample before which its row starts again.
        """
        inputs, length = self._inputs(x)
        flows = [self._plan.flows[r] for r in self._plan.timed_inputs]
        masks = masks_of(mask, flows, self.batch_size, length)
        found = []
        for start, stop, rows in segments(reset, self.batch_size, length):
            if rows is not None:
                self.reset(rows)
            for a, b in pieces(start, stop, self._any_length):
                found.append(self._run(inputs, masks, a, b))
        if not found:
            found.append(self._run(inputs, masks, 0, 0))
        outputs = [
            y[0] if len(y) == 1 else ops.concatenate(y, axis=1) for y in zip(*found, strict=True)
        ]
        return tree.pack_sequence_as(self._plan.outputs, outputs)

    def peek(self, x: Tree, mask: Tree = None) -> Tree:
        """What `push` would give, while the stream stays where it is."""
        place = self._state, self._first
        try:
            return self.push(x, mask)
        finally:
            self._state, self._first = place

    def reset(self, rows: Array | None = None) -> None:
        """Start again: all rows, or those of `rows` (numbers, or one bool for each row)."""
        chosen = _state.chosen_rows(rows, self.batch_size)
        if chosen.all():
            self._first = self._plan.initial_first()
            self._state = dict(self._fresh)
            return
        if self._first != self._plan.initial_first():
            raise ValueError(
                "Some rows cannot start again here: with strides, the rows of a stream give their "
                "results together. Reset all rows, or at a multiple of the strides."
            )
        value: Array
        for key, value in self._state.items():
            keep = ops.convert_to_tensor(chosen.reshape((-1,) + (1,) * (len(value.shape) - 1)))
            self._state[key] = ops.where(keep, self._fresh[key], value)

    @property
    def state(self) -> dict[str, np.ndarray]:
        """A flat dict `{"<layer path>#<call>/<name>": array}` of NumPy arrays, with the `format`
        version and the `fingerprint` of the model: `np.savez(path, **stream.state)` keeps it.
        """
        return _state.saved(self._state, self._first, self._plan.fingerprint())

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Go on from a `state`; refused if it is of another model, version or batch size."""
        _state.check(state, self.state)
        self._first = {key: int(state[f"{key}/first"]) for key in self._first}
        self._state = {
            key: ops.convert_to_tensor(np.asarray(state[key]), dtype=value.dtype)
            for key, value in self._fresh.items()
        }

    def export(self, path: str | os.PathLike[str], format: str = "litert") -> None:
        """Write the step as one file for `lamina_edge.load`: `"litert"`, `"onnx"`, or
        `"tf_saved_model"` (a folder, for TensorFlow). Needs the TensorFlow backend.
        """
        export(self.model, self._plan, path, format)

    def _inputs(self, x: Tree) -> tuple[list[Array], Any]:
        """The inputs as a flat list of tensors, and how many samples they have."""
        refs = tree.flatten(self._plan.inputs)
        given = flat_inputs(self._plan.inputs, x)
        time, blocks = None, []
        for ref, value in zip(refs, given, strict=True):
            flow = self._plan.flows[ref]
            blocks.append(block_of(value, flow, self.batch_size, time))
            if flow.timed:
                time = blocks[-1].shape[1]
        return blocks, time

    @property
    def _any_length(self) -> bool:
        """Can one compiled function run blocks of every length?"""
        dynamic = keras.backend.backend() in ("tensorflow", "torch") and not self.jit_compile
        return dynamic and self._plan.every_sample

    def _run(self, inputs: list[Array], masks: list[Any], start: int, stop: int) -> list[Array]:
        flows = self._plan.flows
        refs = tree.flatten(self._plan.inputs)
        block = [
            x[:, start:stop] if flows[r].timed else x for r, x in zip(refs, inputs, strict=True)
        ]
        masks = [None if m is None else m[:, start:stop] for m in masks]
        length = stop - start
        lengths, first = self._plan.lengths(length, self._first)
        if not length:
            return self._plan.run(block, masks, {}, {}, lengths)[0]
        function = self._function(length, masks)
        held = [ops.convert_to_tensor(m) for m in masks if m is not None]
        outputs, self._state = function(block, held, self._state)
        self._first = first
        return outputs

    def _function(self, length: int, masks: list[Any]) -> Callable[..., Any]:
        """The compiled step for blocks of `length`, from the current place in the strides."""
        key = length if length == 1 or not self._any_length else None
        held = tuple(m is not None for m in masks)
        place = (key, held, tuple(self._first.items()))
        if place not in self._functions:
            first = dict(self._first)
            lengths = None if self._plan.every_sample else self._plan.lengths(length, first)[0]

            def run(block: list[Array], masks: list[Array], state: dict[str, Array]) -> Any:
                given = iter(masks)
                masks = [next(given) if yes else None for yes in held]
                return self._plan.run(block, masks, state, first, lengths)

            specs = self._specs(key, held)
            self._functions[place] = compiled(run, self.model.variables, specs, self.jit_compile)
        return self._functions[place]

    def _specs(self, length: int | None, held: tuple[bool, ...]) -> list[Any]:
        def spec(ref: Any) -> keras.KerasTensor:
            flow = self._plan.flows[ref]
            rest = flow.shape[2:] if flow.timed else flow.shape[1:]
            time = (length,) if flow.timed else ()
            return keras.KerasTensor((self.batch_size, *time, *rest), flow.dtype)

        inputs = [spec(r) for r in tree.flatten(self._plan.inputs)]
        time = (self.batch_size, length)
        masks = [keras.KerasTensor(time, "bool") for yes in held if yes]
        state = {
            k: keras.KerasTensor(v.shape, keras.backend.standardize_dtype(v.dtype))
            for k, v in self._fresh.items()
        }
        return [inputs, masks, state]
