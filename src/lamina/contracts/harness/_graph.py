"""A call traced into a graph, shared by the contracts that ask something of it (TensorFlow)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina._common import Tree
from lamina.contracts.harness._backends import stateful_draws, traced
from lamina.contracts.harness._case import Case, seed_host
from lamina.contracts.harness._compare import as_array
from lamina.contracts.harness._failure import LayerFailed, layer_code
from lamina.contracts.harness._layer import perturb_weights, restore, state_of


@dataclass
class Graph:
    """One traced call.

    Attributes:
        layer: What was traced, its weights moved off their start; None where that failed.
        problem: Why it failed.
        draws: Random operations in it that read TensorFlow's global generator.
        run: The traced function: a tree of tensors in, the layer's outputs out.
    """

    layer: Any
    problem: LayerFailed | None
    draws: list[str]
    run: Callable[[Tree], Tree] = lambda tree: tree

    def outputs(self, case: Case, inputs: Tree) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Output arrays on these inputs, and the variables after it; the state is restored."""
        state = state_of(self.layer)
        seed_host()
        try:
            with layer_code("running it in a graph"):
                found = case.leaves(self.run(case.tensors(inputs)))
            return found, [as_array(x) for _, x in state_of(self.layer)]
        finally:
            restore(state)


def graph_of(case: Case, training: bool, axes: tuple[int, ...] = ()) -> Graph:
    """The call traced for any length of `axes`; `problem` says why that failed."""

    def made() -> Graph:
        try:
            return _traced(case, training, axes)
        except LayerFailed as failure:
            return Graph(None, failure, [])

    return case.once(("graph", training, axes), made)


def _traced(case: Case, training: bool, axes: tuple[int, ...]) -> Graph:
    layer = never_called(case)

    # Without annotations: TensorFlow's messages about the layer quote this function's signature.
    def call(tree):
        return case.apply(layer, tree, training)

    state = state_of(layer)
    seed_host()
    mode = " in training" if training else ""
    unknown = f" where axes {axes} have no fixed length" if axes else ""
    with layer_code(f"tracing it into a graph{unknown}{mode}"):
        function, graph = traced(call, case.tensors(), axes)
    restore(state)
    return Graph(layer, None, stateful_draws(graph), function)


def never_called(case: Case) -> Any:
    """A layer that is built by symbolic inputs alone, where that makes all of its variables."""
    layer = case.fresh()
    try:
        case.functional(layer, case.batch)
    except Exception:
        return case.ready(perturb=True)
    if len(state_of(layer)) != len(state_of(case.ready())):
        return case.ready(perturb=True)
    perturb_weights(layer)
    return layer
