"""How evenly the codes are used: as Keras metrics of codes."""

from typing import Any

import keras
import numpy as np
from keras import ops

from lamina._common import Array, positive_integer, register
from lamina.quantize._statistics import counted


def usage_of(hits: Array) -> float:
    """Share of the rows that were hit at all."""
    hits = np.asarray(hits)
    return float(np.mean(hits > 0))


def perplexity_of(hits: Array) -> float:
    """exp of the entropy of the hits: as many rows, used evenly, would carry as much."""
    hits = np.asarray(hits, "float64")
    share = hits[hits > 0] / max(hits.sum(), 1)
    return float(np.exp(-np.sum(share * np.log(share)))) if len(share) else 0.0


class _CodeMetric(keras.metrics.Metric):
    """Counts codes; a subclass makes a result of the counts."""

    def __init__(self, codes: int, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.codes = positive_integer("codes", codes, "the number of codes")
        self.hits = self.add_variable((self.codes,), "zeros", dtype="int32", name="hits")

    def update_state(
        self, y_true: Array, y_pred: Array | None = None, sample_weight: Array | None = None
    ) -> None:
        codes = ops.reshape(y_true if y_pred is None else y_pred, (-1,))
        codes = ops.cast(codes, "int32")
        valid = ops.logical_and(codes >= 0, codes < self.codes)
        if sample_weight is not None:
            valid = ops.logical_and(valid, ops.reshape(sample_weight, (-1,)) != 0)
        ids = ops.where(valid, codes, self.codes)
        number = ops.segment_sum(ops.ones_like(ids), ids, num_segments=self.codes + 1)
        self.hits.assign(counted(self.hits.value, number[: self.codes]))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "codes": self.codes}


@register
class CodebookUsage(_CodeMetric):
    """Share of the codes that occur at all, between 0 and 1.

    Args:
        codes: How many codes there are. Codes outside 0 .. codes - 1, such as the -1 of a masked
            place, are not counted.

    `update_state(codes)` takes integer codes of any shape. In `compile(metrics=...)` on an output
    of codes it counts the output; the target is not used. A `sample_weight` of 0 leaves out.

    Example:
        >>> usage = CodebookUsage(4)
        >>> usage.update_state(np.array([0, 0, 2, -1]))
        >>> float(usage.result())
        0.5
    """

    def result(self) -> Array:
        return ops.mean(ops.cast(self.hits > 0, self.dtype))


@register
class CodebookPerplexity(_CodeMetric):
    """exp of the entropy of the codes: 1 if only one occurs, `codes` if all are as frequent.

        exp(-sum_k p_k log p_k)

    Args:
        codes: As in `CodebookUsage`, and so is the use.

    Example:
        >>> perplexity = CodebookPerplexity(4)
        >>> perplexity.update_state(np.array([0, 0, 2, 2, -1]))
        >>> float(perplexity.result())
        2.0
    """

    def result(self) -> Array:
        share = ops.cast(self.hits, self.dtype)
        share = share / ops.maximum(ops.sum(share), 1)
        # p log p is 0 at 0, so any floor of the logarithm that float32 holds will do.
        entropy = -ops.sum(share * ops.log(ops.maximum(share, 1e-30)))
        return ops.where(ops.any(self.hits > 0), ops.exp(entropy), 0.0)
