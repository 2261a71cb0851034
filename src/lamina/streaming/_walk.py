"""The calls of a model, in order, read through public API: nested models opened, raw operations
included, the model itself untouched.
"""

import functools
from dataclasses import dataclass
from typing import Any

import keras
from keras import tree

from lamina._common import Array, Tree, received


@dataclass(frozen=True)
class Ref:
    """One tensor of the model."""

    index: int


@dataclass(frozen=True)
class Call:
    """One call of a layer or operation; tensors in `args` and `kwargs` are Refs.

    `path` is where the layer sits: the names of the models around it, then its own.
    """

    op: Any
    path: str
    args: Any
    kwargs: Any
    outputs: list[Ref]


@dataclass(frozen=True)
class Program:
    """What a model does: `specs` holds shape and dtype of each tensor, `calls` are in order."""

    inputs: Any
    outputs: Any
    calls: list[Call]
    specs: dict[Ref, Any]


class _Stand(keras.Operation):
    """Stands in the walked graph for an operation, so that the model's own gain no node."""

    def __init__(self, outputs: Tree) -> None:
        super().__init__()
        self.specs = outputs

    def call(self, *args: Any, **kwargs: Any) -> Tree:
        raise NotImplementedError("walked, never run")

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Tree:
        return self.specs


def is_graph(op: Any) -> bool:
    """Is `op` a Functional or Sequential model that adds nothing of its own in `call`?"""
    if isinstance(op, keras.Sequential):
        return type(op).call is keras.Sequential.call
    if not (isinstance(op, keras.Model) and hasattr(op, "operations")):
        return False
    return type(op).call is _functional_call()


def walk(model: keras.Model) -> Program:
    """The Program of a built Functional or Sequential model."""
    walker = _Walker()
    inputs, outputs = walker.open(model, "")
    refs = walker.refs
    return Program(
        tree.map_structure(lambda x: refs[id(x)], inputs),
        tree.map_structure(lambda x: refs[id(x)], outputs),
        walker.calls,
        walker.specs,
    )


class _Walker:
    def __init__(self) -> None:
        self.refs: dict[int, Ref] = {}
        self.specs: dict[Ref, Any] = {}
        self.calls: list[Call] = []
        # Symbolic tensors are distinguished by id: none may be freed while walking.
        self.kept: list[Array] = []

    def name(self, tensor: Array) -> Ref:
        """A new Ref for a symbolic tensor."""
        ref = Ref(len(self.specs))
        self.refs[id(tensor)] = ref
        self.specs[ref] = tensor
        self.kept.append(tensor)
        return ref

    def open(self, model: Any, prefix: str, given: list[Ref] | None = None) -> tuple[Tree, Tree]:
        """Walk `model`; `given` are the Refs of its inputs when it is nested in another."""
        inputs, outputs = _ends(model, prefix)
        fresh = tree.map_structure(
            lambda x: keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name), inputs
        )
        for index, tensor in enumerate(tree.flatten(fresh)):
            if given is None:
                self.name(tensor)
            else:
                self.refs[id(tensor)] = given[index]
                self.kept.append(tensor)
        # Without the compiled state, which a clone would try to build again.
        bare = keras.Model(inputs, outputs, name=model.name)
        clone = keras.models.clone_model(
            bare,
            input_tensors=fresh,
            clone_function=lambda layer: layer,
            call_function=lambda op, *args, **kwargs: self.visit(prefix, op, args, kwargs),
        )
        return fresh, clone.output

    def visit(self, prefix: str, op: Any, args: Any, kwargs: Any) -> Tree:
        """Note one call; a nested model is walked in its turn."""
        path = f"{prefix}{op.name}"
        if is_graph(op):
            return self.visit_model(path, op, args, kwargs)
        outputs = _Stand(op.compute_output_spec(*args, **kwargs))(*args, **kwargs)
        refs = [self.name(x) for x in tree.flatten(outputs)]
        self.calls.append(Call(op, path, self.refer(args), self.refer(kwargs), refs))
        return outputs

    def visit_model(self, path: str, model: Any, args: Any, kwargs: Any) -> Tree:
        """Walk a nested model; its outputs are those of its own last calls."""
        takes = tree.flatten(_ends(model, f"{path}/")[0])
        given = [
            self.enter(path, x, end.dtype)
            for x, end in zip(tree.flatten(args[0]), takes, strict=True)
        ]
        inside = self.open(model, f"{path}/", given)[1]
        spec = tree.map_structure(lambda x: keras.KerasTensor(x.shape, x.dtype), inside)
        outputs = _Stand(spec)(*args, **kwargs)
        for outer, inner in zip(tree.flatten(outputs), tree.flatten(inside), strict=True):
            self.refs[id(outer)] = self.refs[id(inner)]
            self.kept.append(outer)
        return outputs

    def enter(self, path: str, tensor: Array, dtype: str) -> Ref:
        """The Ref of an input of a nested model, which casts its inputs to its own dtype."""
        ref = self.refs[id(tensor)]
        if keras.backend.standardize_dtype(tensor.dtype) == dtype:
            return ref
        start: Array = keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype)
        cast: Any = keras.Model(start, keras.ops.cast(start, dtype))
        inside = self.name(cast.output)
        self.calls.append(Call(cast.operations[-1], f"{path}/cast", (ref,), {}, [inside]))
        return inside

    def refer(self, arguments: Tree) -> Tree:
        """`arguments` with Refs in place of symbolic tensors."""
        return tree.map_structure(lambda x: self.refs.get(id(x), x), arguments)


@functools.cache
def _functional_call() -> Any:
    x = keras.Input((1,))
    return type(keras.Model(x, x)).call


def _ends(model: Any, prefix: str) -> tuple[Tree, Tree]:
    """Symbolic inputs and outputs of a model, in their structure."""
    where = prefix.rstrip("/") or model.name
    if not model.built:
        raise ValueError(
            f"`Stream` needs a built model. {received('model', where, built=False)}\n"
            "Start it with keras.Input((None, features)), or call it once."
        )
    if isinstance(model, keras.Sequential):
        return model.inputs[0], model.outputs[0]
    return model.input, model.output
