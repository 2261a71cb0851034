"""Contracts of layers that measure: linear in the first input, with an exact adjoint."""

from typing import Any

import keras
import numpy as np
from keras import ops

from lamina._common import Array, Tree, gradient, to_numpy
from lamina.contracts._contract import Answer, broken, contract, skipped
from lamina.contracts.harness import Case, is_float, layer_code, tensors

# Of the norms of both sides. Single precision rounds products of some thousand terms to a few
# 1e-7; a wrong scale, sign or border of a real operator shows at 1e-3 and more.
TOLERANCE = 2e-5
DRAWS = 3


class Measured:
    """A layer as a function of its first input, the others fixed."""

    def __init__(self, case: Case) -> None:
        self.case, self.layer = case, case.ready()
        inputs: Any = case.inputs
        several = isinstance(inputs, list | tuple) and len(inputs) > 1
        parts = list(inputs) if several else [inputs]
        self.alone = not several or case.traits.linear == "all"
        self.image: Tree = inputs if self.alone else parts[0]
        self.others: list[Tree] = [] if self.alone else tensors(parts[1:])

    def __call__(self, image: Tree) -> Tree:
        """What the layer gives for another first input."""
        return self.case.apply(self.layer, self.beside(image))

    def beside(self, image: Tree) -> Tree:
        """A first input, or a measurement, with the other inputs."""
        return image if self.alone else [image, *self.others]

    def drawn(self, rng: np.random.Generator, like: Tree | None = None) -> Tree:
        """Random numbers in the structure of the first input, or of `like`."""
        like = self.image if like is None else like
        return keras.tree.map_structure(
            lambda x: ops.convert_to_tensor(
                rng.standard_normal(tuple(x.shape)), keras.backend.standardize_dtype(x.dtype)
            ),
            like,
        )


@contract("trait.linear", needs="linear", rank=600)
def it_is_linear(case: Case) -> Answer:
    """The output for a sum of inputs, or a multiple, is not that of the outputs.

    Promise: the output of a sum is the sum of the outputs.

    A layer that breaks it:

        def call(self, x):
            return x @ self.kernel + self.bias

    Repair: take out bias, clipping and normalisation.
    Trait: `linear` switches it on.
    """
    measured = Measured(case)
    if not _all_float(measured.image):
        return skipped("its first input is not of floats")
    for seed in range(DRAWS):
        rng = np.random.default_rng(seed)
        one, two = measured.drawn(rng), measured.drawn(rng)
        a, b = (float(v) for v in rng.uniform(-2, 2, 2))
        with layer_code("calling it on random inputs"):
            together = measured(_combined(a, one, b, two))
            separate = _combined(a, measured(one), b, measured(two))
            error = _norm(_combined(1.0, together, -1.0, separate)) / max(_norm(separate), 1e-30)
        if not error <= TOLERANCE:
            return broken(
                f"A(a x + b y) differs from a A x + b A y by {error:.3g} of its norm",
                "it has no adjoint, and solvers that count on linearity go wrong",
                "look for a bias, a normalisation, a clipping or an absolute value; or do not "
                "declare the trait `linear`",
                a=a,
                b=b,
                error=f"{error:.3g}",
            )


@contract("trait.adjoint", needs="adjoint", rank=610, follows=("trait.linear",))
def the_adjoint_is_exact(case: Case) -> Answer:
    """Its adjoint is not: <A x, y> and <x, A^H y> differ, or so does a gradient from it.

    Promise: <A x, y> equals <x, A^H y>, and the gradient is the adjoint.

    A layer that breaks it:

        def call(self, y):
            return ops.roll(y, 1, axis=1)  # the adjoint of a roll by 1 goes back

    Repair: look for a conjugate, a border, an index that is one off.
    Trait: `adjoint` switches it on.
    """
    measured = Measured(case)
    if not _all_float(measured.image):
        return skipped("its first input is not of floats")
    name = str(case.traits.adjoint)
    with layer_code(f"reading `{name}`"):
        adjoint = getattr(measured.layer, name)
    for seed in range(DRAWS):
        rng = np.random.default_rng(seed)
        x = measured.drawn(rng)
        with layer_code("calling it on random inputs"):
            y = measured(x)
            other = measured.drawn(rng, like=y)
        with layer_code("calling its adjoint"):
            back = adjoint(measured.beside(other))
        left, right = _inner(y, other), _inner(x, back)
        if found := _different(left, right, _norm(y) * _norm(other)):
            return found
        slope = _by_gradient(measured, x, other)
        error = _norm(_combined(1.0, slope, -1.0, back)) / max(_norm(back), 1e-30)
        if not error <= TOLERANCE:
            return broken(
                f"the gradient of <A x, y> by x differs from A^H y by {error:.3g} of its norm",
                "training walks in another direction than downhill",
                "the gradient of a linear layer is its adjoint: look at a custom gradient",
                error=f"{error:.3g}",
            )


def _different(left: float, right: float, scale: float) -> Answer:
    error = abs(left - right) / max(scale, 1e-30)
    if error <= TOLERANCE:
        return None
    hint = "look for a conjugate that is missing, a border, or an index that is one off"
    if abs(left) > 0.01 * scale:
        hint = f"{hint}; if it is only a scale, it is {right / left:.4g}"
    return broken(
        f"<A x, y> is {left:.6g}, <x, A^H y> is {right:.6g}",
        "solvers that use it do not converge to the solution, and gradients from it are wrong",
        hint,
        left=f"{left:.6g}",
        right=f"{right:.6g}",
    )


def _by_gradient(measured: Measured, x: Tree, y: Tree) -> Tree:
    def product(x: Tree) -> tuple[Array, None]:
        pairs = zip(keras.tree.flatten(measured(x)), keras.tree.flatten(y), strict=True)
        total: Array = 0.0
        for a, b in pairs:
            total = total + ops.sum(a * b)
        return total, None

    with layer_code("taking the gradient of it"):
        return gradient(product, x)[0]


def _all_float(tree: Tree) -> bool:
    return all(is_float(x) for x in keras.tree.flatten(tree))


def _combined(a: float, one: Tree, b: float, two: Tree) -> Tree:
    return keras.tree.map_structure(lambda x, y: a * x + b * y, one, two)


def _inner(one: Tree, two: Tree) -> float:
    """The inner product over all leaves and the batch, in double precision."""
    pairs = zip(keras.tree.flatten(one), keras.tree.flatten(two), strict=True)
    return float(
        sum((to_numpy(a).astype("float64") * to_numpy(b).astype("float64")).sum() for a, b in pairs)
    )


def _norm(tree: Tree) -> float:
    return float(np.sqrt(_inner(tree, tree)))
