"""The classes of operations in a graph, by the names of the functions of `keras.ops`."""

import inspect
from collections.abc import Collection

import keras
import numpy as np
from keras import ops, tree

from lamina._common import Array, Tree
from lamina.streaming._walk import Ref, walk

ELEMENTWISE = """
    absolute angle arccos arccosh arcsin arcsinh arctan arctan2 arctanh bitwise_and
    bitwise_invert bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor cast
    cbrt ceil celu clip conjugate copy cos cosh deg2rad divide divide_no_nan elu equal erf erfc
    erfinv exp exp2 expm1 fabs floor floor_divide fmax fmin fmod full_like gelu greater
    greater_equal hard_shrink hard_sigmoid hard_silu hard_tanh heaviside hypot imag isclose isfinite
    isinf isnan isneginf isposinf isreal leaky_relu left_shift less less_equal log log10 log1p log2
    log_sigmoid logaddexp logaddexp2 logical_and logical_not logical_or logical_xor maximum minimum
    mod multiply nan_to_num negative nextafter not_equal ones_like power rad2deg real reciprocal
    relu relu6 right_shift round rsqrt saturate_cast selu sigmoid sign signbit silu sin sinc sinh
    soft_shrink softplus softsign sparse_plus sparse_sigmoid sqrt square squareplus stop_gradient
    subtract tan tanh tanh_shrink threshold true_divide trunc where zeros_like
""".split()
REDUCTIONS = """
    all amax amin any argmax argmin average count_nonzero logsumexp max mean median min moments
    nanargmax nanargmin nanmax nanmean nanmedian nanmin nanprod nanstd nansum nanvar norm prod ptp
    std sum var
""".split()
ALONG = """
    argsort array_split cumprod cumsum diff flip glu log_softmax nancumprod nancumsum normalize
    repeat roll softmax sort sparsemax split
""".split()

# How to call those that take more than tensors.
_CALLS = {
    "cast": lambda x: ops.cast(x, "float64"),
    "saturate_cast": lambda x: ops.saturate_cast(x, "float64"),
    "clip": lambda x: ops.clip(x, 0, 1),
    "moments": lambda x: ops.moments(x, -1),
    "split": lambda x: ops.split(x, 2, axis=-1),
    "array_split": lambda x: ops.array_split(x, 2, axis=-1),
    "unstack": lambda x: ops.unstack(x, axis=-1),
    "dot": lambda x: ops.dot(x, np.eye(2)),
    "layer_normalization": lambda x: ops.layer_normalization(x),
    "rms_normalization": lambda x: ops.rms_normalization(x),
    "top_k": lambda x: ops.top_k(x, 1),
    "one_hot": lambda x: ops.one_hot(x, 2),
    "concatenate": lambda x: ops.concatenate([x, x]),
    "stack": lambda x: ops.stack([x, x]),
    "expand_dims": lambda x: ops.expand_dims(x, -1),
    "squeeze": lambda x: ops.squeeze(x, 2),
    "swapaxes": lambda x: ops.swapaxes(x, 1, 2),
    "moveaxis": lambda x: ops.moveaxis(x, 1, 2),
    "get_item": lambda x: x[..., 0],
    "matmul": lambda x: ops.matmul(x, np.eye(2)),
    "einsum": lambda x: ops.einsum("btcf,fg->btcg", x, np.eye(2)),
    "take": lambda x: ops.take(np.eye(1), x),
    "pad": lambda x: ops.pad(x, [[0, 0]] * 3 + [[1, 0]]),
    "digitize": lambda x: ops.digitize(x, np.zeros(1)),
    "tile": lambda x: ops.tile(x, 1),
    "repeat": lambda x: ops.repeat(x, 2, axis=-1),
    "reshape": lambda x: ops.reshape(x, (-1,)),
}


def classes_of(names: Collection[str]) -> dict[str, type]:
    """`{name: class}`, of the functions that are one operation.

    Keras gives these classes no public names: they are taken from the graph that each public
    function of `keras.ops` leaves.
    """
    x: Array = keras.Input((None, 1, 2))
    program = walk(keras.Model(x, [tree.flatten(_called(name, x))[0] for name in names]))
    made = {ref: call for call in program.calls for ref in call.outputs}
    found = {}
    for name, result in zip(names, program.outputs, strict=True):
        call = made[result]
        taken = [v for v in tree.flatten((call.args, call.kwargs)) if isinstance(v, Ref)]
        if all(ref == program.inputs for ref in taken):  # else it is made of several
            found[name] = type(call.op)
    return found


def _called(name: str, x: Array) -> Tree:
    """The result of a function of `keras.ops` on symbolic tensors."""
    if name in _CALLS:
        return _CALLS[name](x)
    function = getattr(ops, name)
    parameters = inspect.signature(function).parameters.values()
    return function(*[x for p in parameters if p.default is p.empty])
