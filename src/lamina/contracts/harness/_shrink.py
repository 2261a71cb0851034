"""The smallest sample that still shows a break."""

import time

from lamina.contracts._contract import LayerFailed
from lamina.contracts.harness._inputs import batch_size, map_leaves, rows

# A break found slower than this is reported as found.
PATIENCE = 1.0


def smallest(contract, case, result, ask, seconds):
    """The result of the smallest sample, found in at most five times `PATIENCE`."""
    if seconds > PATIENCE or case.target.kind == "initializer":
        return result
    until = time.perf_counter() + 5 * PATIENCE
    improved = True
    while improved and time.perf_counter() < until:
        improved = False
        for inputs in smaller(case.inputs):
            again = _asked(contract, case.with_inputs(inputs), ask)
            if again is not None and again.status == result.status:
                case, result, improved = case.with_inputs(inputs), again, True
                break
            if time.perf_counter() > until:
                break
    return result


def _asked(contract, case, ask):
    """The contract's answer on a sample that the layer accepts, else None."""
    try:
        case.call(case.fresh())
    except LayerFailed:
        return None
    return ask(contract, case)


def smaller(inputs):
    """Two rows, so that one can be told from the other; then each other axis halved."""
    count = batch_size(inputs)
    if count > 2:
        yield rows(inputs, [0, 1])
    ranks = [x.ndim for x in _flat(inputs)]
    for axis in range(1, max(ranks, default=0)):
        if max(x.shape[axis] for x in _flat(inputs) if x.ndim > axis) > 1:
            yield map_leaves(lambda x, axis=axis: _halved(x, axis), inputs)


def _flat(inputs):
    found = []
    map_leaves(found.append, inputs)
    return found


def _halved(x, axis):
    if x.ndim <= axis:
        return x
    index = [slice(None)] * x.ndim
    index[axis] = slice(0, max(1, x.shape[axis] // 2))
    return x[tuple(index)].copy()
