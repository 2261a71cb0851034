"""Backend-specific paths, each beside the plain one that it equals: faster, or in the precision of
the inputs where Keras' own operation has less.
"""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from lamina._common._backend import is_exporting
from lamina._common._types import Array

# Four sizes to an octave, from 256 rows to more than memory holds: at most a quarter more rows than
# needed, and few compilations.
_SIZES = [quarters << shift for shift in range(6, 28) for quarters in (4, 5, 6, 7)]


def take_rows(table: Array, index: Array) -> Array:
    """`table[index]`; `index` is known to lie inside the table.

    `ops.take` wraps negative indices first, a pass that these indices do not need.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.gather(table, index)
    if 0 in index.shape:  # `ops.take` on JAX gives another shape for nothing of nothing.
        return ops.zeros((*index.shape, *table.shape[1:]), table.dtype)
    return ops.take(table, index, axis=0)


def to_end(index: Array, wrong: Array, size: int) -> Array:
    """int32 `index` with `size` where it is `wrong`: outside `0 .. size - 1`."""
    if keras.backend.backend() != "tensorflow" or is_exporting():
        return ops.where(wrong, size, index)
    import tensorflow as tf

    # One pass instead of four: as an unsigned number a negative one is large.
    return tf.bitcast(tf.minimum(tf.bitcast(index, "uint32"), size), "int32")


def product(rows: Array, matrix: Array) -> Array:
    """`rows` `(..., n, i)` times `matrix` `(i, j)` or one for each, in their own precision."""
    if keras.backend.backend() == "torch":
        import torch

        # Keras' own computes float64 in float32 on PyTorch.
        return torch.matmul(rows, matrix)
    return ops.matmul(rows, matrix)


def as_complex(real: Array, imaginary: Array) -> Array:
    """The backend's own complex numbers: one pass over memory where pairs of reals take four."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.lax.complex(real, imaginary)
    if backend == "torch":
        import torch

        return torch.complex(real, imaginary)
    import tensorflow as tf

    return tf.complex(real, imaginary)


def complex_parts(z: Array) -> tuple[Array, Array]:
    """The real and the imaginary part of what `as_complex` gives."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.math.real(z), tf.math.imag(z)
    return z.real, z.imag


def fourier_transform(z: Array, inverse: bool) -> Array:
    """The Fourier transform of complex numbers over the last two axes; the inverse by 1/n.

    Keras' own computes float64 in float32 on JAX.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.numpy.fft.ifft2(z) if inverse else jax.numpy.fft.fft2(z)
    if backend == "torch":
        import torch

        if not z.numel():
            return z  # MKL refuses to transform nothing.
        return torch.fft.ifft2(z) if inverse else torch.fft.fft2(z)
    import tensorflow as tf

    return tf.signal.ifft2d(z) if inverse else tf.signal.fft2d(z)


def floor(x: Array) -> Array:
    """The largest whole number below, in the precision of `x`."""
    if keras.backend.backend() == "torch":
        import torch

        return torch.floor(x)  # Keras' own gives float32 for float64
    return ops.floor(x)


def segment_sum(x: Array, segments: Array, count: int | Array) -> Array:
    """The sum of the rows `x` of each of `count` segments, in the precision of `x`."""
    if keras.backend.backend() == "torch":
        import torch

        # Keras' own computes float64 in float32 on PyTorch.
        zeros = torch.zeros((count, *x.shape[1:]), dtype=x.dtype, device=x.device)
        return zeros.index_add(0, segments, x)
    return ops.segment_sum(x, segments, num_segments=count)


def tanh(x: Array) -> Array:
    """tanh of `x` in its own precision, to an absolute error of one rounding of 1."""
    # Keras' own gives float32 for float64 on JAX; its sigmoid does not.
    rising: Array = ops.sigmoid(2 * x)
    return 2 * rising - 1


def largest(x: Array) -> Array:
    """int32 index of the largest number of each row, the first one on a tie.

    Keras' `argmax` on TensorFlow looks at the bits of zeros, for which LiteRT and ONNX have no
    operations, and which is a pass over `x`.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.argmax(x, axis=-1, output_type="int32")
    if keras.backend.backend() == "torch":
        import torch

        return torch.argmax(x, dim=-1).to(torch.int32)
    return ops.cast(ops.argmax(x, axis=-1), "int32")


def add_bias(y: Array, bias: Array) -> Array:
    """`y + bias`. TensorFlow joins its own operation with the product before it."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.nn.bias_add(y, bias)
    return ops.add(y, bias)


def causal_convolution(x: Array, kernel: Array, bias: Array | None = None) -> Array | None:
    """`x` `(batch, time, features)`, zeros before it, filtered by `kernel` `(steps, features,
    columns)`, the oldest step first, and `bias`; None where there is nothing faster than to join
    zeros and `x`.
    """
    if keras.backend.backend() != "tensorflow" or 0 in x.shape or is_exporting():
        return None
    import tensorflow as tf

    def filtered() -> Array:
        # The padding inside the convolution: no copy of `x`. Only the flat one takes it on one
        # side.
        padding: Any = [[0, 0], [0, 0], [kernel.shape[0] - 1, 0], [0, 0]]
        y = tf.nn.conv2d(x[:, None], kernel[None], 1, padding)
        # Before the axis is dropped: TensorFlow joins the two operations.
        return tf.squeeze(y if bias is None else tf.nn.bias_add(y, bias), 1)

    return _unless_empty(filtered, x, 0, kernel.shape[2])


def convolution(x: Array, kernel: Array) -> Array:
    """`x` `(batch, time, features)` filtered by `kernel` `(steps, features, columns)` wherever the
    kernel fits; batch and outputs may be none.
    """

    def filtered() -> Array:
        return ops.conv(x, kernel, padding="valid")

    return _unless_empty(filtered, x, kernel.shape[0] - 1, kernel.shape[2])


def depthwise_convolution(x: Array, kernel: Array) -> Array:
    """As `convolution`, each feature by itself: `kernel` `(steps, features, 1)`."""

    def filtered() -> Array:
        return ops.depthwise_conv(x, kernel, padding="valid")

    return _unless_empty(filtered, x, kernel.shape[0] - 1, kernel.shape[1])


def _unless_empty(filtered: Callable[[], Array], x: Array, fewer: int, columns: int) -> Array:
    """`filtered()`, `fewer` steps than `x` and so many columns; zeros where it would be empty.

    TensorFlow's convolution by oneDNN, which it uses where the processor has AVX512, gives the
    shape of its input there.
    """
    if keras.backend.backend() != "tensorflow" or is_exporting():
        return filtered()
    import tensorflow as tf

    batch, time = ops.shape(x)[:2]
    steps = time - fewer

    def nothing() -> Array:
        return tf.zeros((batch, steps, columns), x.dtype)

    some = batch * steps > 0
    if isinstance(some, bool):
        return filtered() if some else nothing()
    return tf.cond(some, filtered, nothing)


def xla_compiled(core: Callable[..., Array]) -> Callable[..., Array]:
    """`core(rows, *others)` compiled by XLA inside any TensorFlow graph.

    `core` treats every row (entry of axis 0) by itself and gives one row for each; what
    else it takes is the same for all rows, and compiled in where it is a Python value. On JAX it
    is compiled too, see `jit_compiled`; on PyTorch and in exports it runs as it is.

    XLA compiles again for each number of rows. One that only the running graph knows is rounded up
    to one of a few sizes (4 to an octave); the rows added are cut off again, which copies nothing.
    """
    compiled = {}
    plain = jit_compiled(core)

    @functools.wraps(core)
    def run(x: Array, *others: Any) -> Array:
        if keras.backend.backend() != "tensorflow" or is_exporting():
            return plain(x, *others)
        import tensorflow as tf

        # One for each configuration: TensorFlow warns where one function is often traced again. It
        # counts by the code, which a partial function does not show.
        kind = (x.dtype, *x.shape[1:], *map(_kind, keras.tree.flatten(others)))
        if kind not in compiled:
            alone = functools.partial(core)
            compiled[kind] = tf.function(alone, jit_compile=True, autograph=False)
        if x.shape[0] is not None and not tf.executing_eagerly():
            return compiled[kind](x, *others)
        count = tf.shape(x)[0]
        sizes = tf.constant(_SIZES)
        size = tf.reduce_min(tf.where(sizes >= count, sizes, _SIZES[-1]))
        padding = [[0, tf.maximum(size - count, 0)], *[[0, 0]] * (len(x.shape) - 1)]
        return compiled[kind](tf.pad(x, padding), *others)[:count]

    return run


def xla_graph(core: Callable[..., Array]) -> Callable[..., Array]:
    """`core(*args)` compiled by XLA inside any TensorFlow graph, so that a chain of many operations
    on the same elements becomes one pass. XLA compiles again for each shape.

    What is not a tensor is compiled in, and must be hashable. It has no gradient of its own: give
    one by `ops.custom_gradient`. On JAX it is compiled too, see `jit_compiled`; on PyTorch and in
    exports it runs as it is.
    """
    compiled = {}
    plain = jit_compiled(core)

    @functools.wraps(core)
    def run(*args: Any) -> Array:
        if keras.backend.backend() != "tensorflow" or is_exporting():
            return plain(*args)
        import tensorflow as tf

        tensors = [x for x in args if tf.is_tensor(x)]
        # One for each kind of arguments: TensorFlow warns where one function is often traced again.
        kind = tuple(_kind(x) for x in args)
        if kind not in compiled:

            def on_tensors(*given: Array) -> Array:
                left = iter(given)
                return core(*(next(left) if tf.is_tensor(x) else x for x in args))

            compiled[kind] = tf.function(on_tensors, jit_compile=True, autograph=False)
        return compiled[kind](*tensors)

    return run


def jit_compiled(core: Callable[..., Any]) -> Callable[..., Any]:
    """`core(*args)` as one jitted function on JAX, which otherwise compiles each eager operation.

    What is not made of tensors is compiled in, and must be hashable; it must not own weights.
    Other backends run it as it is.
    """
    if keras.backend.backend() != "jax":
        return core
    compiled = {}

    @functools.wraps(core)
    def run(*args: Any) -> Any:
        import jax

        arrays = (jax.Array, np.ndarray)
        fixed = tuple(i for i, x in enumerate(args) if not _any_is(arrays, x))
        if fixed not in compiled:
            compiled[fixed] = jax.jit(core, static_argnums=fixed)
        return compiled[fixed](*args)

    return run


def _kind(x: Any) -> Any:
    return (tuple(x.shape), x.dtype) if hasattr(x, "shape") else x


def _any_is(kinds: tuple[type, ...], x: Any) -> bool:
    return any(isinstance(leaf, kinds) for leaf in keras.tree.flatten(x))
