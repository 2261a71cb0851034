"""The nearest entry of a table by exact search, in NumPy."""

import numpy as np

from lamina._common import received

# Differences held at once, 32 MiB of float64: bounds the memory of a search.
_AT_ONCE = 1 << 22


def exact_search(values: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Index of the entry of `table` `(entries, *D)` nearest to each of `values` `(..., *D)`, int32.

    The squared differences are summed in float64: the expanded form `|x|^2 - 2xc + |c|^2` (that of
    the quantizers' `nearest`, for training) picks a neighbour where two entries are close. A tie
    takes the smaller code.
    """
    item = table.shape[1:]
    lead = values.shape[: values.ndim - len(item)]
    if values.shape[len(lead) :] != item:
        sizes = ", ".join(["...", *map(str, item)])
        raise ValueError(
            f"`values` must have the shape ({sizes}). {received('shape', values.shape)}"
        )
    table = table.reshape(len(table), -1).astype("float64")
    values = values.reshape(-1, table.shape[1]).astype("float64")
    codes = np.empty(len(values), "int32")
    step = max(1, _AT_ONCE // max(1, table.size))
    for start in range(0, len(values), step):
        difference = values[start : start + step, None] - table
        codes[start : start + step] = np.einsum("nkd,nkd->nk", difference, difference).argmin(1)
    return codes.reshape(lead)
