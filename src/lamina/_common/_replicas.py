"""One state for all replicas of a `tf.distribute` strategy.

A weight's `aggregation` averages what the replicas assign; a codebook is no average of codebooks.
So the replicas agree on the statistics first, and then all compute the same update. On JAX the
arrays of a `keras.distribution` are global already; there is nothing to do.
"""

from typing import Any

import keras

from lamina._common._types import Array


def _context() -> Any:
    """TensorFlow's replica context, where there is more than one replica; else None."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    several = context is not None and context.num_replicas_in_sync > 1
    return context if several else None


def replicas() -> int:
    """How many replicas share a step: a loss of one's own is divided by it, as Keras' are."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def sum_over_replicas(x: Array) -> Array:
    """The sum of `x` over all replicas, on each of them."""
    context = _context()
    return x if context is None else context.all_reduce("SUM", x)


def from_first_replica(x: Array) -> Array:
    """The first replica's `x`, on each of them."""
    context = _context()
    if context is None:
        return x
    first = keras.ops.cast(context.replica_id_in_sync_group == 0, x.dtype)
    return context.all_reduce("SUM", x * first)
