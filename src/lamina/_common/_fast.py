"""Backend-specific fast paths, each beside the plain path that it equals."""

import functools

import keras
from keras import ops

from lamina._common._backend import is_exporting


def take_rows(table, index):
    """`table[index]`; `index` is known to lie inside the table.

    `ops.take` wraps negative indices first, a pass that these indices do not need.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.gather(table, index)
    return ops.take(table, index, axis=0)


def island(core):
    """`core` compiled by XLA inside any TensorFlow graph; elsewhere, and in exports, as it is.

    XLA compiles anew for each shape: call it through shapes that are few, see `bucket`.
    """
    compiled = None

    @functools.wraps(core)
    def run(*args):
        nonlocal compiled
        if keras.backend.backend() != "tensorflow" or is_exporting():
            return core(*args)
        if compiled is None:
            import tensorflow as tf

            compiled = tf.function(core, jit_compile=True)
        return compiled(*args)

    return run
