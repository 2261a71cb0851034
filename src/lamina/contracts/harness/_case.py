"""One layer with its inputs and traits: what every contract is given."""

import contextlib
import copy
import importlib
import inspect
import math
import random
import tempfile
from pathlib import Path

import keras
import numpy as np

from lamina._common import to_numpy
from lamina.contracts._contract import LayerFailed
from lamina.contracts.harness._backends import BACKEND, quick, variables_of
from lamina.contracts.harness._compare import difference, leaves
from lamina.contracts.harness._inputs import batch_size, describe, map_leaves
from lamina.contracts.harness._target import CheckError


@contextlib.contextmanager
def layer_code(doing):
    """Code of the layer runs inside: what it raises is the layer's failure, not the check's."""
    try:
        yield
    except (KeyboardInterrupt, LayerFailed):
        raise
    except BaseException as error:
        raise LayerFailed(doing, error) from error


def seed_host():
    """NumPy's and Python's own generators, and PyTorch's, at a fixed state."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    if BACKEND == "torch":
        importlib.import_module("torch").manual_seed(0)


def tensors(tree, dtype=None):
    """Arrays as the backend's tensors, floats as `dtype` when given."""

    def convert(x):
        if x.dtype.kind in "OSU":
            return keras.ops.convert_to_tensor(x)
        floating = x.dtype.kind == "f" or x.dtype.name == "bfloat16"
        return keras.ops.convert_to_tensor(x, dtype if floating else None)

    return map_leaves(convert, tree)


def state_of(layer):
    """Every variable that a layer lists, or only holds, with its present value."""
    listed = variables_of(layer)
    known = {id(v) for v in listed}
    return [(v, np.array(to_numpy(v.value))) for v in [*listed, *_held(layer, known, 3)]]


def _held(value, seen, depth):
    """Keras variables in attributes, also of sub-layers: a stateful RNN does not list its state."""
    if id(value) in seen or depth < 0:
        return []
    seen.add(id(value))
    if isinstance(value, keras.Variable):
        return [value]
    if isinstance(value, keras.layers.Layer):
        return [v for inner in vars(value).values() for v in _held(inner, seen, 3)]
    if isinstance(value, dict):
        value = list(value.values())
    inside = value if isinstance(value, list | tuple) else []
    return [v for inner in inside for v in _held(inner, seen, depth - 1)]


def put_back(state):
    for variable, value in state:
        variable.assign(value)


class Case:
    """A layer to be asked questions: fresh copies, its inputs, its declared traits."""

    def __init__(self, target, inputs, traits, provisional=False):
        self.target, self.inputs, self.traits = target, inputs, traits
        self.provisional = provisional
        self._spread = None

    @property
    def rng(self):
        return np.random.default_rng(0)

    @property
    def batch(self):
        return batch_size(self.inputs)

    @property
    def shapes(self):
        return describe(self.inputs)

    def with_inputs(self, inputs):
        """The same layer with another sample."""
        other = copy.copy(self)
        other.inputs = inputs
        return other

    def fresh(self):
        """A new, unbuilt layer; equal initial weights each time where they are not seeded."""
        seed_host()
        with layer_code("constructing the layer"):
            return self.target.make()

    def ready(self, inputs=None, perturb=False):
        """A fresh layer that was called once, its weights moved off their initial values."""
        layer = self.fresh()
        self.call(layer, inputs)
        if perturb:
            perturb_weights(layer)
        return layer

    def arguments(self, layer, inputs):
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

    def cell_state(self, layer, inputs):
        """States of a cell as it declares them, the same in each row; 0 would hide weights.

        A list holds states, as of cells in a stack; a tuple is the shape of one.
        """
        like = keras.tree.flatten(inputs)[0]
        symbolic = isinstance(like, keras.KerasTensor)
        batch = like.shape[0] if symbolic else keras.ops.shape(like)[0]

        def state(size):
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

    def apply(self, layer, tree, training=None, **more):
        """Calls the layer on tensors; nothing is put back."""
        args, kwargs = self.arguments(layer, tree)
        if training is not None:
            kwargs["training"] = training
        return layer(*args, **kwargs, **more)

    def call(self, layer, inputs=None, training=None, by=None, **more):
        """Output arrays of one eager call, from the same random and variable state each time.

        `by` is called instead of `apply`.
        """
        before = state_of(layer) if layer.built else []
        seed_host()
        with layer_code(f"calling it on {describe(self.inputs if inputs is None else inputs)}"):
            out = (by or self.apply)(layer, self.tensors(inputs), training, **more)
            found = leaves(out)
        put_back(before)
        return found

    def quick(self, layer):
        """`call` of a built layer on inputs of many shapes, where how it is run does not matter."""
        run = quick(layer, lambda tree: self.apply(layer, tree))
        return lambda inputs: self.call(layer, inputs, by=lambda layer, tree, training: run(tree))

    def tensors(self, inputs=None):
        return tensors(self.inputs if inputs is None else inputs)

    def varies(self, layer, training=None, draws=6):
        """Do calls on the same inputs differ as the layer's state and seeds move on?"""
        with layer_code("calling it again"):
            first = leaves(self.apply(layer, self.tensors(), training))
            return any(
                difference(first, leaves(self.apply(layer, self.tensors(), training)), 0, 0)
                for _ in range(draws)
            )

    def symbols(self, batch=None, unknown_axes=()):
        """Keras inputs for these arrays, `batch` rows (None: any)."""

        def symbol(x):
            shape = [None if a + 1 in unknown_axes else n for a, n in enumerate(x.shape[1:])]
            dtype = "string" if x.dtype.kind in "OSU" else x.dtype.name
            return keras.Input(batch_shape=(batch, *shape), dtype=dtype)

        return map_leaves(symbol, self.inputs)

    def functional(self, layer, batch=None, unknown_axes=()):
        """A Functional model of the layer alone."""
        symbols = self.symbols(batch, unknown_axes)
        args, kwargs = self.arguments(layer, symbols)
        if self.target.kind == "cell":
            symbols = [symbols, *args[1]]
        return keras.Model(symbols, layer(*args, **kwargs))

    def model(self, layer):
        """A Functional model of any batch, else of the sample's own batch."""
        try:
            return self.functional(layer), layer
        except Exception:
            again = self.fresh()
            with layer_code("calling it on a symbolic input"):
                return self.functional(again, self.batch), again

    def model_inputs(self, inputs=None):
        """The arrays for `functional`, which takes a cell's states too."""
        inputs = self.inputs if inputs is None else inputs
        if self.target.kind != "cell":
            return inputs
        state = map_leaves(lambda s: np.asarray(to_numpy(s)), self.cell_state(self.fresh(), inputs))
        return [inputs, *state]

    @contextlib.contextmanager
    def folder(self):
        with tempfile.TemporaryDirectory(prefix="lamina-check-") as path:
            yield Path(path)


def repeats(case, layer, training):
    """Is a call from one state the same each time?"""
    one, two = case.call(layer, training=training), case.call(layer, training=training)
    return difference(one, two, 0, 0) is None


def required_arguments(layer):
    """Names of `call`'s arguments that have no default: its tensors."""
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        p.name
        for p in inspect.signature(layer.call).parameters.values()
        if p.kind not in several and p.default is p.empty and p.name not in ("training", "mask")
    ]


def perturb_weights(layer):
    """Floating weights moved a little, upwards: a variance stays positive, a loss shows."""
    rng = np.random.default_rng(1)
    for variable in layer.variables:
        value = to_numpy(variable.value)
        if keras.backend.is_float_dtype(variable.dtype):
            noise = rng.uniform(0.01, 0.05, value.shape)
            variable.assign(np.asarray(value, "float64") * (1 + noise) + noise)


def copy_weights(source, destination):
    """The values of `source` in `destination`, variable by variable."""
    own, others = ([v for v, _ in state_of(layer)] for layer in (source, destination))
    if len(own) != len(others):
        own, others = source.variables, destination.variables
    for ours, theirs in zip(own, others, strict=True):
        theirs.assign(
            np.asarray(to_numpy(ours.value)).astype("float64")
            if keras.backend.is_float_dtype(ours.dtype)
            else to_numpy(ours.value)
        )


def try_out(case):
    """Builds and calls a fresh layer once, or says which of the two cannot be done."""
    layer = case.fresh()
    try:
        case.call(layer)
    except LayerFailed as failure:
        what = "called" if layer.built else "built"
        raise CheckError(
            f"{case.target.name} could not be {what} on {case.shapes}: {failure.args[0]}"
        ) from failure.cause
