"""The solution of a linear system with its implicit gradient: Keras has none."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from lamina._common._gradient import gradient
from lamina._common._types import Array

# `apply(x, parameters)`: linear, symmetric and positive definite in x.
Linear = Callable[[Array, Sequence[Array]], Array]
# `solver(apply, b)` for an `apply(x)`.
Solver = Callable[[Callable[[Array], Array], Array], Array]


def linear_solve(apply: Linear, b: Array, parameters: Sequence[Array], solver: Solver) -> Array:
    """x with `apply(x, parameters) = b`, found by `solver(apply, b)`.

    Differentiable any number of times with respect to `b` and `parameters`, by the equation
    dx = apply^-1 (db - dA x): nothing of the solver's iteration is stored.
    """
    if keras.backend.backend() == "jax":
        import jax

        # Its own implicit solve: a custom gradient there hides the value from a second derivative.
        return jax.lax.custom_linear_solve(
            lambda x: apply(x, parameters), b, solver, symmetric=True
        )
    frozen = [ops.stop_gradient(p) for p in parameters]
    x = ops.stop_gradient(solver(lambda v: apply(v, frozen), ops.stop_gradient(b)))
    # `apply^-1` of the residual is added: 0 in value, with the gradient of the inverse.
    return x + _inverse_of_zero(apply, b - apply(x, parameters), parameters, solver)


def _inverse_of_zero(apply: Linear, b: Array, parameters: Sequence[Array], solver: Solver) -> Array:
    """`apply^-1 b` for a `b` that is 0 in value."""

    @ops.custom_gradient
    def inverse(b: Array, *parameters: Array) -> tuple[Array, Callable]:
        def grad(*args: Array, upstream: Array | None = None) -> tuple[Array, ...]:
            upstream = args[0] if upstream is None else upstream
            v = linear_solve(apply, upstream, parameters, solver)
            # 0 in value too; without it second derivatives would be wrong.
            u = _inverse_of_zero(apply, b, parameters, solver)
            return (v, *_parameter_gradients(apply, u, v, parameters))

        return ops.zeros_like(b), grad

    return inverse(b, *parameters)


def _parameter_gradients(
    apply: Linear, u: Array, v: Array, parameters: Sequence[Array]
) -> list[Array]:
    """The gradients of <v, apply^-1 b> by the parameters: -d<v, apply(u)>, u being apply^-1 b."""
    if not parameters:
        return []

    def product(parameters: Any) -> tuple[Array, None]:
        return ops.sum(v * apply(u, parameters)), None

    found, _ = gradient(product, list(parameters))
    return [-g for g in found]
