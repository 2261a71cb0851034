"""Two linear functions, each the other's gradient."""

from collections.abc import Callable
from typing import TypeAlias

from keras import ops

from lamina._common import Array

Linear: TypeAlias = Callable[[Array], Array]


def adjoint_pair(there: Linear, back: Linear) -> tuple[Linear, Linear]:
    """A linear function and its adjoint, differentiable any number of times.

    What either closes over has no gradient.
    """

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
