"""Two linear functions, each the other's gradient."""

from collections.abc import Callable
from typing import TypeAlias

import keras
from keras import ops

from lamina._common import Array

Linear: TypeAlias = Callable[[Array], Array]


def adjoint_pair(there: Linear, back: Linear) -> tuple[Linear, Linear]:
    """A linear function and its adjoint, differentiable any number of times.

    What either closes over has no gradient.
    """

    if keras.backend.backend() == "jax":
        return _jax_pair(there, back)

    @ops.custom_gradient
    def forward(x: Array) -> tuple[Array, Callable]:
        def grad(*args: Array, upstream: Array | None = None) -> Array:
            return adjoint(args[0] if upstream is None else upstream)

        return there(ops.stop_gradient(x)), grad  # else TensorFlow's tape looks inside

    @ops.custom_gradient
    def adjoint(y: Array) -> tuple[Array, Callable]:
        def grad(*args: Array, upstream: Array | None = None) -> Array:
            return forward(args[0] if upstream is None else upstream)

        return back(ops.stop_gradient(y)), grad

    return forward, adjoint


def _jax_pair(there: Linear, back: Linear) -> tuple[Linear, Linear]:
    """The same where the forward pass of a gradient is differentiated again for the second one:
    it must be the function with the rule, not what stops gradients inside.
    """
    import jax

    forward, adjoint = jax.custom_vjp(there), jax.custom_vjp(back)
    forward.defvjp(lambda x: (forward(x), None), lambda _, upstream: (adjoint(upstream),))
    adjoint.defvjp(lambda y: (adjoint(y), None), lambda _, upstream: (forward(upstream),))
    return forward, adjoint
