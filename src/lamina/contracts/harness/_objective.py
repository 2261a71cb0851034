"""What gradients are taken of: a weighted sum of a layer's outputs and losses."""

from typing import Any

import keras
import numpy as np

from lamina._common import Array, Tree, to_numpy
from lamina.contracts.harness._backends import gradients, quick
from lamina.contracts.harness._case import Case, seed_host, tensors
from lamina.contracts.harness._failure import layer_code
from lamina.contracts.harness._inputs import is_float
from lamina.contracts.harness._layer import restore, state_of
from lamina.contracts.harness._spies import stopped_gradients


class Objective:
    """A weighted sum of a layer's outputs, as a function of its floating inputs.

    With `losses`, of its losses too; with `loss`, that one loss alone.
    """

    def __init__(
        self,
        case: Case,
        layer: Any,
        inputs: Tree,
        training: bool,
        losses: bool,
        dtype: str = "float32",
        loss: int | None = None,
    ) -> None:
        self.case, self.layer, self.training, self.losses = case, layer, training, losses
        self.dtype, self.loss = dtype, loss
        self.terms = 0
        self.compiled, self.forward = None, quick(layer, self)
        self.at(inputs)

    def at(self, inputs: Tree) -> None:
        """The same sum, for other inputs of the same shapes."""
        self.tree = tensors(inputs, self.dtype if self.dtype == "float64" else None)
        self.flat = keras.tree.flatten(self.tree)
        arrays = keras.tree.flatten(inputs)
        self.floating = [n for n, x in enumerate(arrays) if is_float(x)]

    @property
    def leaves(self) -> list[Array]:
        """The floating inputs."""
        return [self.flat[n] for n in self.floating]

    def __call__(self, leaves: list[Array], inputs: list[Array] | None = None) -> Array:
        flat = list(self.flat if inputs is None else inputs)
        for n, x in zip(self.floating, leaves, strict=True):
            flat[n] = x
        seed_host()
        out = self.case.apply(
            self.layer, keras.tree.pack_sequence_as(self.tree, flat), self.training
        )
        terms = self._weighted(out) if self.loss is None else []
        if self.losses or self.loss is not None:
            added = [keras.ops.sum(keras.ops.cast(x, self.dtype)) for x in self.layer.losses]
            terms += added if self.loss is None else [added[self.loss]]
        self.terms = len(terms)
        return sum(terms) if terms else keras.ops.zeros((), self.dtype)

    def _weighted(self, out: Tree) -> list[Array]:
        """Each floating output's sum, its elements weighted."""
        rng = np.random.default_rng(3)
        terms = []
        for y in keras.tree.flatten(out):
            if y is None or not keras.backend.is_float_dtype(
                keras.backend.standardize_dtype(y.dtype)
            ):
                continue
            # Of both signs and differing, so that a normalised output's sum does not stay constant.
            weight = rng.uniform(0.5, 1.5, tuple(y.shape)) * rng.choice([-1, 1], tuple(y.shape))
            weight = keras.ops.convert_to_tensor(weight, self.dtype)
            y = keras.ops.cast(y, self.dtype)
            terms.append(keras.ops.sum(keras.ops.multiply(y, weight)))
        return terms

    def gradients(self) -> tuple[list[Array], list[Array]]:
        """(by trainable variable, by floating input), the layer's state restored."""
        state = state_of(self.layer)
        with layer_code("taking its gradient"):
            found = gradients(self, self.layer.trainable_variables, self.leaves)
        restore(state)
        return found

    def value(self, leaves: list[Array] | None = None, stopped: list[Array] | None = None) -> float:
        """The sum; `stopped`: what stop_gradient is to return, so that it does not move."""
        state = state_of(self.layer)
        leaves = self.leaves if leaves is None else leaves
        with layer_code("calling it"):
            if stopped is None:
                y = self.forward(leaves)
            else:
                with stopped_gradients(stopped):
                    y = self(leaves)
        restore(state)
        return float(to_numpy(y))
