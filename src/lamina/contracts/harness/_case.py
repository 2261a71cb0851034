"""One layer with its inputs and traits: what every contract is given."""

import contextlib
import copy
import importlib
import math
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lamina._common import Array, Tree, to_numpy
from lamina.contracts._traits import Traits
from lamina.contracts.harness._arguments import (
    build_by_shapes,
    call_arguments,
    input_names,
    takes_several,
)
from lamina.contracts.harness._backends import BACKEND, quick
from lamina.contracts.harness._compare import as_array, difference, in_order, leaves
from lamina.contracts.harness._failure import CheckError, LayerFailed, ModeAvoided, layer_code
from lamina.contracts.harness._inputs import batch_size, describe, map_leaves
from lamina.contracts.harness._layer import held, perturb_weights, restore, state_of
from lamina.contracts.harness._spies import modes_heard, random_draws
from lamina.contracts.harness._target import Target


def seed_host() -> None:
    """NumPy's and Python's own generators, and PyTorch's, at a fixed state."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    if BACKEND == "torch":
        importlib.import_module("torch").manual_seed(0)


def tensors(tree: Tree, dtype: str | None = None) -> Tree:
    """Arrays as the backend's tensors, floats as `dtype` when given."""

    def convert(x: np.ndarray) -> Array:
        if x.dtype.kind in "OSU":
            return keras.ops.convert_to_tensor(x)
        floating = x.dtype.kind == "f" or x.dtype.name == "bfloat16"
        return keras.ops.convert_to_tensor(x, dtype if floating else None)

    return map_leaves(convert, tree)


class Case:
    """A layer under check: fresh copies of it, its inputs, its declared traits.

    Attributes:
        target: What is checked.
        inputs: The sample: arrays.
        traits: What the author declares.
        provisional: The inputs were guessed.
        options: Arguments of every call that are no tensors.
        modes: The values of `training` that can make a difference: (False,) where no layer that
            is called listens to it.
        several: A list of inputs holds several arguments of `call`.
        held: Attributes get their values back after each call, as if none changed them.
        avoid: Modes, `"inference"` or `"training"`, in which no call is made any more.
        watch: Told the mode before each call, and None after it.
    """

    def __init__(
        self,
        target: Target,
        inputs: Tree,
        traits: Traits,
        provisional: bool = False,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.target, self.inputs, self.traits = target, inputs, traits
        self.provisional, self.options = provisional, dict(options or {})
        self.modes: tuple[bool, ...] = (False, True)
        self.several = self.held = False
        self.avoid: frozenset[str] = frozenset()
        self.watch: Callable[[str | None], None] | None = None
        self.memo: dict[Any, Any] = {}

    @property
    def rng(self) -> np.random.Generator:
        """The same random numbers each time."""
        return np.random.default_rng(0)

    @property
    def batch(self) -> int:
        """Rows of the sample."""
        return batch_size(self.inputs)

    @property
    def shapes(self) -> str:
        """The sample's shapes and dtypes, in words."""
        return describe(self.inputs)

    def with_inputs(self, inputs: Tree) -> "Case":
        """The same layer with another sample."""
        other = copy.copy(self)
        other.inputs, other.memo = inputs, {}
        return other

    def declaring(self, held: bool = False, **traits: Any) -> "Case":
        """The same layer with more traits declared, and perhaps its attributes held."""
        other = copy.copy(self)
        other.traits = Traits.of({**self.traits.declared(), **traits})
        other.held, other.memo = held or self.held, {}
        return other

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """What `make` returned, or the failure that it raised, when `key` was first asked for."""
        if key not in self.memo:
            try:
                self.memo[key] = make()
            except LayerFailed as failure:
                self.memo[key] = failure
        if isinstance(self.memo[key], LayerFailed):
            raise self.memo[key]
        return self.memo[key]

    def try_out(self) -> None:
        """Builds and calls a fresh layer once, or raises a `CheckError` that says which failed."""
        layer = self.fresh()
        try:
            out = self.first_call(layer)
        except LayerFailed as failure:
            what = "called" if layer.built else "built"
            where = f" ({failure.where})" if failure.where else ""
            raise CheckError(
                f"{self.target.name} could not be {what} on {self.shapes}: {failure.args[0]}{where}"
            ) from failure.cause
        for leaf in keras.tree.flatten(out):
            if leaf is not None and not hasattr(leaf, "shape"):
                raise CheckError(
                    f"{self.target.name} returns a Python {type(leaf).__name__} ({str(leaf)[:40]}) "
                    "where a layer returns tensors: ops.convert_to_tensor makes them"
                )

    def first_call(self, layer: Any) -> Tree:
        """Calls a fresh layer; learns how a list is meant, and whether the mode matters."""
        several = takes_several(layer, self.inputs) and self.target.kind == "layer"
        self.several = several
        try:
            return self._listened_call(layer)
        except LayerFailed:
            if not several:
                raise
            self.several = False
            try:
                return self._listened_call(self.fresh())
            except LayerFailed:
                self.several = True
            raise

    def _listened_call(self, layer: Any) -> Tree:
        seed_host()
        with modes_heard() as heard, layer_code(f"calling it on {self.shapes}"):
            out = self.apply(layer, self.tensors())
        own = [layer for layer in heard if not type(layer).__module__.startswith("keras.")]
        self.modes = (False, True) if own or (heard and self._has_modes(layer)) else (False,)
        return out

    def _has_modes(self, layer: Any) -> bool:
        """Does training make a difference? For Keras' own, such as an RNN without dropout."""
        found = []
        for training in (False, True):
            state = state_of(layer)
            seed_host()
            with layer_code("calling it"), random_draws() as draws:
                out = leaves(self.apply(layer, self.tensors(), training))
            found.append([*out, *(as_array(x) for _, x in state_of(layer))])
            restore(state)
        return draws.any or difference(found[0], found[1], 0, 0) is not None

    def fresh(self) -> Any:
        """A new, unbuilt layer; equal initial weights each time where they are not seeded."""
        seed_host()
        with layer_code("constructing the layer"):
            return self.target.make()

    def ready(self, inputs: Tree | None = None, perturb: bool = False) -> Any:
        """A fresh layer that was called once; `perturb` moves its weights off their start."""
        layer = self.fresh()
        self.call(layer, inputs)
        if perturb:
            perturb_weights(layer)
        return layer

    def arguments(self, layer: Any, inputs: Tree) -> tuple[list[Any], dict[str, Any]]:
        """The positional and keyword arguments of `call` for these inputs."""
        args, kwargs = self.tensor_arguments(layer, inputs)
        return args, {**kwargs, **self.options}

    def tensor_arguments(self, layer: Any, inputs: Tree) -> tuple[list[Any], dict[str, Any]]:
        """The same without what is no tensor."""
        if self.target.kind == "cell":
            return [inputs, self.cell_state(layer, inputs)], {}
        return call_arguments(layer, inputs, self.several)

    def names(self, layer: Any) -> list[str]:
        """A name for each array of the sample, in the order of `keras.tree.flatten`."""
        return input_names(layer, self.inputs, self.several)

    def cell_state(self, layer: Any, inputs: Tree) -> Tree:
        """States of a cell as it declares them, the same in each row; 0 would hide weights.

        A list holds states, as of cells in a stack; a tuple is the shape of one.
        """
        like = keras.tree.flatten(inputs)[0]
        symbolic = isinstance(like, keras.KerasTensor)
        batch = like.shape[0] if symbolic else keras.ops.shape(like)[0]

        def state(size: Any) -> Tree:
            if isinstance(size, list):
                return [state(inner) for inner in size]
            size = size if isinstance(size, tuple) else (size,)
            if symbolic:
                return keras.Input(batch_shape=(batch, *size), dtype=layer.compute_dtype)
            values = np.linspace(-0.5, 0.4, math.prod(size)).reshape(1, *size)
            values = keras.ops.convert_to_tensor(values, layer.compute_dtype)
            return keras.ops.repeat(values, batch, axis=0)

        sizes = layer.state_size
        return state(list(sizes) if isinstance(sizes, list | tuple) else [sizes])

    def apply(self, layer: Any, tree: Tree, training: bool | None = None, **more: Any) -> Tree:
        """Calls the layer on tensors; its state stays as the call leaves it."""
        args, kwargs = self.arguments(layer, tree)
        if training is not None:
            kwargs["training"] = training
        if self.watch is None and not self.held:
            return layer(*args, **kwargs, **more)
        with self._watched("training" if training else "inference", layer):
            return layer(*args, **kwargs, **more)

    @contextlib.contextmanager
    def _watched(self, mode: str, layer: Any) -> Iterator[None]:
        """One call in a mode that may kill the process, or that must change no attribute."""
        if mode in self.avoid:
            raise ModeAvoided(mode)
        if self.watch:
            self.watch(mode)
        with held(layer) if self.held else contextlib.nullcontext():
            yield
        if self.watch:
            self.watch(None)

    def leaves(self, tree: Tree) -> list[np.ndarray]:
        """Output arrays; sorted along axes whose order the layer leaves open."""
        return in_order(leaves(tree), self.traits.unordered_axes)

    def advance(
        self, layer: Any, training: bool | None = None, inputs: Tree | None = None
    ) -> list[np.ndarray]:
        """Output arrays of one eager call, the layer's state left as the call moved it."""
        with layer_code("calling it"):
            return self.leaves(self.apply(layer, self.tensors(inputs), training))

    def call(
        self,
        layer: Any,
        inputs: Tree | None = None,
        training: bool | None = None,
        by: Callable[..., Tree] | None = None,
        **more: Any,
    ) -> list[np.ndarray]:
        """Output arrays of one eager call, from the same random and variable state each time.

        `by` is called instead of `apply`.
        """
        before = state_of(layer) if layer.built else []
        seed_host()
        with layer_code(f"calling it on {describe(self.inputs if inputs is None else inputs)}"):
            out = (by or self.apply)(layer, self.tensors(inputs), training, **more)
            found = self.leaves(out)
        restore(before)
        return found

    def quick(self, layer: Any) -> Callable[[Tree], list[np.ndarray]]:
        """`call` of a built layer on inputs of many shapes, where how it is run does not matter."""
        run = quick(layer, lambda tree: self.apply(layer, tree))
        return lambda inputs: self.call(layer, inputs, by=lambda layer, tree, training: run(tree))

    def tensors(self, inputs: Tree | None = None) -> Tree:
        """The sample, or other inputs, as the backend's tensors."""
        return tensors(self.inputs if inputs is None else inputs)

    def repeats(self, layer: Any, training: bool | None) -> bool:
        """Is a call from one state the same each time?"""
        one, two = self.call(layer, training=training), self.call(layer, training=training)
        return difference(one, two, 0, 0) is None

    def varies(self, layer: Any, training: bool | None = None, draws: int = 6) -> bool:
        """Do calls on the same inputs differ as the layer's state and seeds move on?"""
        with layer_code("calling it again"):
            first = self.leaves(self.apply(layer, self.tensors(), training))
            return any(
                difference(first, self.leaves(self.apply(layer, self.tensors(), training)), 0, 0)
                for _ in range(draws)
            )

    def symbols(self, batch: int | None = None, unknown_axes: tuple[int, ...] = ()) -> Tree:
        """Keras inputs for these arrays, `batch` rows (None: any)."""

        def symbol(x: np.ndarray) -> Array:
            shape = [None if a + 1 in unknown_axes else n for a, n in enumerate(x.shape[1:])]
            dtype = "string" if x.dtype.kind in "OSU" else x.dtype.name
            return keras.Input(batch_shape=(batch, *shape), dtype=dtype)

        return map_leaves(symbol, self.inputs)

    def symbolic(
        self,
        layer: Any,
        batch: int | None,
        training: bool = False,
        unknown_axes: tuple[int, ...] = (),
    ) -> list[Any]:
        """The layer's outputs on symbolic inputs."""
        args, kwargs = self.arguments(layer, self.symbols(batch, unknown_axes))
        if training:
            kwargs["training"] = True
        with self._watched("training" if training else "inference", layer):
            out = layer(*args, **kwargs)
        return [y for y in keras.tree.flatten(out) if y is not None]

    def functional(
        self, layer: Any, batch: int | None = None, unknown_axes: tuple[int, ...] = ()
    ) -> Any:
        """A Functional model of the layer alone."""
        symbols = self.symbols(batch, unknown_axes)
        args, kwargs = self.arguments(layer, symbols)
        if self.target.kind == "cell":
            symbols = [symbols, *args[1]]
        return keras.Model(symbols, layer(*args, **kwargs))

    def model(self, layer: Any) -> tuple[Any, Any]:
        """A Functional model of any batch, else of the sample's own batch; and its layer."""
        try:
            return self.functional(layer), layer
        except Exception:
            again = self.fresh()
            with layer_code("calling it on a symbolic input"):
                return self.functional(again, self.batch), again

    def model_inputs(self, inputs: Tree | None = None) -> Tree:
        """The arrays for `functional`, which takes a cell's states too."""
        inputs = self.inputs if inputs is None else inputs
        if self.target.kind != "cell":
            return inputs
        state = map_leaves(lambda s: np.asarray(to_numpy(s)), self.cell_state(self.fresh(), inputs))
        return [inputs, *state]

    def build_only(self, layer: Any, batch: int | None = None) -> None:
        """`layer.build` on the shapes of the inputs, as a parent's build does; no call."""
        build_by_shapes(layer, *self.tensor_arguments(layer, self.symbols(batch)))

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """A folder for files of the check, removed at the end."""
        with tempfile.TemporaryDirectory(prefix="lamina-check-") as path:
            yield Path(path)
