"""Losses beside van den Oord's: rows that differ, codes that are used alike."""

from keras import ops

from lamina._common import Array
from lamina._common._fast import product
from lamina.quantize._nearest import distances, unit

# How sharply a distance decides between rows, as in vector-quantize-pytorch.
SHARPNESS = 100.0
# Below it, the gradient of a square root leaves float32.
SMALLEST = 1e-8


def orthogonality_loss(table: Array) -> Array:
    """|L L^T - I|^2 / K^2 of the K rows at length 1; after Shin et al. (2021), equation 2."""
    rows = unit(table)
    size = table.shape[0]
    return ops.sum(ops.square(product(rows, ops.transpose(rows)))) / size**2 - 1 / size


def unevenness(vectors: Array, table: Array, used: Array) -> Array:
    """-H(mean_n softmax_k(-100 |x_n - c_k|)): least where all codes are used alike.

    The second term of Yu et al., MAGVIT-v2 (2023), equation 5, for a table; of this replica's
    vectors.
    """
    far: Array = ops.sqrt(ops.maximum(distances(vectors, table, "euclidean"), SMALLEST))
    share = ops.where(used[:, None], ops.softmax(-SHARPNESS * far, axis=-1), 0)
    count = ops.maximum(ops.sum(ops.cast(used, share.dtype)), 1)
    return -entropy(ops.sum(share, axis=0) / count)


def entropy(share: Array) -> Array:
    """-sum p log p over the last axis."""
    return -ops.sum(share * ops.log(ops.maximum(share, 1e-20)), axis=-1)
