"""What each backend does its own way: gradients, compilation, tracing, raw variables."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from lamina._common import Array, Tree
from lamina.contracts.harness._layer import variables_of

BACKEND = keras.backend.backend()


def is_raw_variable(x: Any) -> bool:
    """A variable of the backend itself, which Keras neither trains nor saves."""
    tf, torch = sys.modules.get("tensorflow"), sys.modules.get("torch")
    if hasattr(tf, "Variable") and isinstance(x, tf.Variable):
        return True
    return hasattr(torch, "nn") and isinstance(x, torch.nn.Parameter)


def has_float64() -> bool:
    """Does this backend compute in float64 here? JAX does only with JAX_ENABLE_X64."""
    if BACKEND != "jax":
        return True
    import jax

    return bool(jax.config.read("jax_enable_x64"))


def keeps_float64() -> bool:
    """Do Keras' own operations keep it? Its matmul on PyTorch, for one, computes in float32."""
    x = keras.ops.ones((1, 1), "float64")
    found = (keras.ops.matmul(x, x), keras.ops.tanh(x))
    return all(keras.backend.standardize_dtype(y.dtype) == "float64" for y in found)


@contextlib.contextmanager
def quick_compilation() -> Iterator[None]:
    """JAX compiles every operation for every shape: here each runs once or twice.

    What it compiles is kept by these settings, so the user's own code is not touched.
    """
    if BACKEND != "jax":
        yield
        return
    import jax

    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", before)


def gradients(
    objective: Any, variables: Sequence[keras.Variable], leaves: Sequence[Array]
) -> tuple[list[Array], list[Array]]:
    """Gradients of `objective(leaves)` by `variables` and by `leaves`: arrays, None where none."""
    run = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[BACKEND]
    found = run(objective, list(variables), list(leaves))
    count = len(variables)
    return found[:count], found[count:]


def _tensorflow(objective, variables, leaves):
    import tensorflow as tf

    leaves = [tf.convert_to_tensor(x) for x in leaves]
    with tf.GradientTape() as tape:
        tape.watch(leaves)
        value = objective(leaves)
    if not tf.is_tensor(value):
        return [None] * (len(variables) + len(leaves))
    found = tape.gradient(value, [v.value for v in variables] + leaves)
    return [None if g is None else np.asarray(tf.convert_to_tensor(g)) for g in found]


def _jax(objective, variables, leaves):
    import jax

    def pure(values: list[Array], leaves: list[Array], inputs: list[Array]) -> Array:
        mapping = list(zip(variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping, collect_losses=True):
            return objective(leaves, inputs)

    eager = jax.grad(pure, argnums=(0, 1))
    if objective.compiled is None:
        objective.compiled = _or_eager(jax.jit(eager), eager)
    leaves = [jax.numpy.asarray(x) for x in leaves]
    by_variable, by_leaf = objective.compiled([v.value for v in variables], leaves, objective.flat)
    return [np.asarray(g) for g in [*by_variable, *by_leaf]]


def quick(layer: Any, call: Callable[[Tree], Tree]) -> Callable[[Tree], Tree]:
    """`call(tree of arrays)`, compiled on JAX.

    There, eager code compiles each operation again for each shape, many times as slowly.
    """
    if BACKEND != "jax" or not layer.built:
        return call
    return _or_eager(compiled(layer, call, jit=True), call)


def _or_eager(compiled, eager):
    """What cannot be compiled runs eagerly; that it cannot is what `compile.jit` reports."""

    def run(*args: Any) -> Any:
        try:
            return compiled(*args)
        except Exception:
            return eager(*args)

    return run


def _torch(objective, variables, leaves):
    import torch

    leaves = [_own_leaf(x) for x in leaves]
    values = [v.value for v in variables]
    value = objective(leaves)
    wanted = values + leaves
    differentiable = [w for w in wanted if w.requires_grad]
    if not (torch.is_tensor(value) and value.requires_grad):
        return [None] * len(wanted)
    found = iter(torch.autograd.grad(value, differentiable, allow_unused=True))
    grads = [next(found) if w.requires_grad else None for w in wanted]
    return [None if g is None else keras.ops.convert_to_numpy(g) for g in grads]


def _own_leaf(x: Array) -> Array:
    tensor: Array = keras.ops.convert_to_tensor(x)
    return tensor.detach().clone().requires_grad_()


def can_compile() -> bool:
    """torch.compile needs a C++ compiler and half a minute: not done here."""
    return BACKEND in ("tensorflow", "jax")


def compiled(layer: Any, call: Callable[[Tree], Tree], jit: bool) -> Callable[[Tree], Tree]:
    """`call(tree of arrays)` compiled; the layer's variables follow as they do in eager code."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        # Keras converts no code of a layer for TensorFlow, so nothing is converted here.
        return tf.function(call, jit_compile=jit, reduce_retracing=False, autograph=False)
    import jax

    def pure(values: list[Array], tree: Tree) -> tuple[Tree, list[Array]]:
        mapping = list(zip(variables_of(layer), values, strict=True))
        with keras.StatelessScope(state_mapping=mapping) as scope:
            out = call(tree)
        return out, [scope.get_current_value(v) for v in variables_of(layer)]

    pure = jax.jit(pure)

    def run(tree: Tree) -> Tree:
        variables = variables_of(layer)
        before = [v.value for v in variables]
        out, after = pure(before, tree)
        for variable, old, new in zip(variables, before, after, strict=True):
            if new is not None and new is not old:
                variable.assign(new)
        return out

    return run


def traced(
    call: Callable[[Tree], Tree], tree: Tree, axes: tuple[int, ...]
) -> tuple[Callable[[Tree], Tree], Any]:
    """`call(tree)` traced once with `axes` of unknown length, and its graph; TensorFlow's."""
    import tensorflow as tf

    def unknown(x: Array) -> Any:
        shape = [None if axis in axes else n for axis, n in enumerate(x.shape)]
        return tf.TensorSpec(shape, x.dtype)

    signature = [keras.tree.map_structure(unknown, tree)]
    function = tf.function(call, input_signature=signature, autograph=False)
    return function, function.get_concrete_function().graph


# TensorFlow's operations that draw from its global generator.
STATEFUL = {
    "Multinomial",
    "ParameterizedTruncatedNormal",
    "RandomGamma",
    "RandomPoisson",
    "RandomPoissonV2",
    "RandomShuffle",
    "RandomStandardNormal",
    "RandomUniform",
    "RandomUniformInt",
    "TruncatedNormal",
}


def stateful_draws(graph: Any) -> list[str]:
    """Stateful random operations in a traced graph, its functions included."""
    names = {op.type for op in graph.get_operations()}
    if not names & STATEFUL:
        inner = graph.as_graph_def().library.function
        names |= {node.op for f in inner for node in f.node_def}
    return sorted(names & STATEFUL)
