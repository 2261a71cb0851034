"""The smallest sample that still shows a break."""

import time
from collections.abc import Callable, Iterator

import numpy as np

from lamina._common import Tree
from lamina.contracts._result import Result
from lamina.contracts.harness._case import Case
from lamina.contracts.harness._failure import LayerFailed
from lamina.contracts.harness._inputs import batch_size, map_leaves, rows

# Seconds. A break that took longer is reported as found: each smaller sample takes as long again.
PATIENCE = 1.0


def smallest(
    case: Case, result: Result, answer: Callable[[Case], Result], seconds: float
) -> Result:
    """The result of the smallest sample, found in at most five times `PATIENCE`.

    Args:
        case: Where the break was found.
        result: The break.
        answer: The contract's result on another case.
        seconds: How long the first answer took.
    """
    if seconds > PATIENCE or case.target.kind == "initializer":
        return result
    until = time.perf_counter() + 5 * PATIENCE
    improved = True
    while improved and time.perf_counter() < until:
        improved = False
        for inputs in smaller(case.inputs):
            again = _answer_where_accepted(case.with_inputs(inputs), answer)
            if again is not None and again.status == result.status:
                case, result, improved = case.with_inputs(inputs), again, True
                break
            if time.perf_counter() > until:
                break
    return result


def _answer_where_accepted(case: Case, answer: Callable[[Case], Result]) -> Result | None:
    """The contract's answer on a sample that the layer accepts, else None."""
    try:
        case.call(case.fresh())
    except LayerFailed:
        return None
    return answer(case)


def smaller(inputs: Tree) -> Iterator[Tree]:
    """Two rows, enough to see one affect the other; then each other axis halved."""
    count = batch_size(inputs)
    if count > 2:
        yield rows(inputs, [0, 1])
    ranks = [x.ndim for x in _flat(inputs)]
    for axis in range(1, max(ranks, default=0)):
        if max(x.shape[axis] for x in _flat(inputs) if x.ndim > axis) > 1:
            yield map_leaves(lambda x, axis=axis: _halved(x, axis), inputs)


def _flat(inputs: Tree) -> list[np.ndarray]:
    found: list[np.ndarray] = []
    map_leaves(found.append, inputs)
    return found


def _halved(x: np.ndarray, axis: int) -> np.ndarray:
    if x.ndim <= axis:
        return x
    index = [slice(None)] * x.ndim
    index[axis] = slice(0, max(1, x.shape[axis] // 2))
    return x[tuple(index)].copy()
