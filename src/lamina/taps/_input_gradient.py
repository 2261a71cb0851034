"""The gradient of a function with respect to its input."""

from collections.abc import Callable

from keras import ops

from lamina._common import Tree, gradient
from lamina.taps._state import isolated


def input_gradient(fn: Callable[[Tree], Tree], x: Tree) -> Tree:
    """The gradient of the sum of `fn(x)` with respect to `x`, on every backend.

        g = d sum(fn(x)) / d x

    It can be differentiated again, so a loss may contain it: R1 and gradient penalties, saliency.
    For a network that treats the rows of a batch separately, row i of `g` is the gradient of row i
    of `fn(x)`. What layers update inside `fn` is dropped (see `isolated`).

    Args:
        fn: A function of `x`: any layer, model or Python function of Keras operations.
        x: A floating-point tensor, or a nested structure of tensors.

    Returns:
        As `x`.

    Raises:
        ValueError: if `x` is not floating-point.

    Example:
        >>> input_gradient(lambda x: x**3, np.array([1.0, 2.0]))
        [3., 12.]
    """

    def total(x: Tree) -> tuple[Tree, None]:
        with isolated():
            return ops.sum(fn(x)), None

    return gradient(total, x)[0]
