"""One layer with its inputs and traits: what every contract is given."""

import contextlib
import copy
import importlib
import inspect
import math
import random
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lamina._common import Array, Tree, to_numpy
from lamina.contracts._traits import Traits
from lamina.contracts.harness._backends import BACKEND, quick
from lamina.contracts.harness._compare import difference, leaves
from lamina.contracts.harness._failure import CheckError, LayerFailed, layer_code
from lamina.contracts.harness._inputs import batch_size, describe, map_leaves
from lamina.contracts.harness._layer import perturb_weights, required_arguments, restore, state_of
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
    """

    def __init__(
        self, target: Target, inputs: Tree, traits: Traits, provisional: bool = False
    ) -> None:
        self.target, self.inputs, self.traits = target, inputs, traits
        self.provisional = provisional

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
        other.inputs = inputs
        return other

    def try_out(self) -> None:
        """Builds and calls a fresh layer once, or raises a `CheckError` that says which failed."""
        layer = self.fresh()
        try:
            self.call(layer)
        except LayerFailed as failure:
            what = "called" if layer.built else "built"
            raise CheckError(
                f"{self.target.name} could not be {what} on {self.shapes}: {failure.args[0]}"
            ) from failure.cause

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
        if self.target.kind == "cell":
            return [inputs, self.cell_state(layer, inputs)], {}
        names = required_arguments(layer)
        if isinstance(inputs, dict) and len(inputs) > 1 and set(names) <= set(inputs):
            if set(inputs) <= set(inspect.signature(layer.call).parameters):
                return [], dict(inputs)
        if len(names) > 1 and isinstance(inputs, list | tuple) and len(inputs) == len(names):
            return list(inputs), {}
        return [inputs], {}

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
        return layer(*args, **kwargs, **more)

    def advance(
        self, layer: Any, training: bool | None = None, inputs: Tree | None = None
    ) -> list[np.ndarray]:
        """Output arrays of one eager call, the layer's state left as the call moved it."""
        with layer_code("calling it"):
            return leaves(self.apply(layer, self.tensors(inputs), training))

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
            found = leaves(out)
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
            first = leaves(self.apply(layer, self.tensors(), training))
            return any(
                difference(first, leaves(self.apply(layer, self.tensors(), training)), 0, 0)
                for _ in range(draws)
            )

    def symbols(self, batch: int | None = None, unknown_axes: tuple[int, ...] = ()) -> Tree:
        """Keras inputs for these arrays, `batch` rows (None: any)."""

        def symbol(x: np.ndarray) -> Array:
            shape = [None if a + 1 in unknown_axes else n for a, n in enumerate(x.shape[1:])]
            dtype = "string" if x.dtype.kind in "OSU" else x.dtype.name
            return keras.Input(batch_shape=(batch, *shape), dtype=dtype)

        return map_leaves(symbol, self.inputs)

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
        args, kwargs = self.arguments(layer, self.symbols(batch))
        shapes = [_shapes_of(a) for a in [*args, *kwargs.values()]]
        names = [
            p for p in inspect.signature(layer.build).parameters if p not in ("args", "kwargs")
        ]
        call_names = list(inspect.signature(layer.call).parameters)
        if len(names) > 1:
            by_name = dict(zip([*call_names[: len(args)], *kwargs], shapes, strict=False))
            given = {
                n: by_name[n.removesuffix("_shape")]
                for n in names
                if n.removesuffix("_shape") in by_name
            }
        else:
            given = {names[0]: shapes[0]} if names else {}
        with warnings.catch_warnings(), layer_code("build() on its input shapes"):
            warnings.simplefilter("ignore")
            if given:
                layer.build(**given)
            else:
                layer.build(shapes[0])

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """A folder for files of the check, removed at the end."""
        with tempfile.TemporaryDirectory(prefix="lamina-check-") as path:
            yield Path(path)


def _shapes_of(tree: Tree) -> Tree:
    """The shapes of symbolic tensors, in the same nest.

    Not by `keras.tree`, which takes a shape, a tuple, for a nest.
    """
    if isinstance(tree, dict):
        return {k: _shapes_of(v) for k, v in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(_shapes_of(v) for v in tree)
    return tuple(tree.shape)
