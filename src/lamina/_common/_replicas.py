"""One state for all replicas: of a `tf.distribute` strategy, of `torch.distributed`.

A weight's `aggregation` averages what the replicas assign; a codebook is no average of codebooks.
So the replicas agree on what they saw first, and then all compute the same update. On JAX the
arrays of a `keras.distribution` are global already; there is nothing to do.
"""

from typing import Any

import keras
from keras import ops

from lamina._common._types import Array


def _context() -> Any:
    """TensorFlow's replica context, where there is more than one replica; else None."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    several = context is not None and context.num_replicas_in_sync > 1
    return context if several else None


def _processes() -> Any:
    """`torch.distributed`, where it was initialised with more than one process; else None."""
    if keras.backend.backend() != "torch":
        return None
    import torch.distributed as distributed

    if not distributed.is_available() or not distributed.is_initialized():
        return None
    return distributed if distributed.get_world_size() > 1 else None


def replicas() -> int:
    """How many replicas share a step, their gradients summed: a loss of one's own is divided by
    it, as Keras' are. PyTorch averages the gradients instead.
    """
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def sum_over_replicas(x: Array) -> Array:
    """The sum of `x` over all replicas, on each of them; without a gradient on PyTorch."""
    if context := _context():
        return context.all_reduce("SUM", x)
    if processes := _processes():
        total = x.detach().clone()
        processes.all_reduce(total)
        return total
    return x


def mean_over_replicas(x: Array) -> Array:
    """The mean of the number `x` over all replicas."""
    context, processes = _context(), _processes()
    if context is None and processes is None:
        return x
    count = context.num_replicas_in_sync if context else processes.get_world_size()
    return sum_over_replicas(x) / count


def from_first_replica(x: Array) -> Array:
    """The first replica's `x`, on each of them; of the same shape everywhere."""
    if context := _context():
        first = ops.cast(context.replica_id_in_sync_group == 0, x.dtype)
        return context.all_reduce("SUM", x * first)
    if processes := _processes():
        x = x.detach().clone()
        processes.broadcast(x, src=0)
    return x


class ReplicaRows:
    """Rows of arrays, `count` of them here, among those of all replicas one after the other.

    Every replica makes it in the same place of its step, and so its calls; also without rows.
    """

    def __init__(self, count: Any) -> None:
        self.context, self.processes = _context(), _processes()
        self.count = count
        self.first: Any = 0
        self.total: Any = count
        if self.context is not None:
            sizes = self.context.all_gather(ops.reshape(ops.cast(count, "int32"), (1,)), axis=0)
            place = self.context.replica_id_in_sync_group
            before = ops.arange(ops.shape(sizes)[0], dtype="int32") < place
            self.first = ops.sum(ops.where(before, sizes, 0))
            self.total = ops.sum(sizes)
        elif self.processes is not None:
            import torch

            # On the device that Keras computes on: a backend of the processes has no other.
            sizes: Any = ops.convert_to_tensor([int(count)], "int64")
            all_sizes = [torch.zeros_like(sizes) for _ in range(self.processes.get_world_size())]
            self.processes.all_gather(all_sizes, sizes)
            self.sizes = [int(size) for size in all_sizes]
            self.first = sum(self.sizes[: self.processes.get_rank()])
            self.total = sum(self.sizes)

    @property
    def several(self) -> bool:
        """Is there more than one replica?"""
        return self.context is not None or self.processes is not None

    def gather(self, x: Array) -> Array:
        """The rows of all replicas, on each of them."""
        if self.context is not None:
            return self.context.all_gather(x, axis=0)
        return x if self.processes is None else self._gather_padded(x)

    def own(self, x: Array) -> Array:
        """This replica's rows of what is there for the rows of all."""
        return x[self.first : self.first + self.count] if self.several else x

    def _gather_padded(self, x: Array) -> Array:
        """`torch.distributed` gathers arrays of one shape only."""
        import torch

        x = x.detach()
        most = max(self.sizes)
        padded = x.new_zeros((most, *x.shape[1:]))
        padded[: x.shape[0]] = x
        parts = [torch.empty_like(padded) for _ in self.sizes]
        self.processes.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, self.sizes, strict=True)])
