"""The smallest sample that still shows a break."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lamina._common import Tree
from lamina.contracts._result import Result
from lamina.contracts.harness._case import Case
from lamina.contracts.harness._failure import LayerFailed
from lamina.contracts.harness._inputs import batch_size, map_leaves, rows

# Seconds. A break that took longer is reported as found: each smaller sample takes as long again.
PATIENCE = 1.0
# A number, a shape, or the number of a layer's name: what may change as the sample shrinks.
NUMBER = re.compile(r"\([\d, ]*\)|[-+]?\d[\d.]*(?:e[-+]?\d+)?%?")
NAMED = re.compile(r"_\d+\b")
# Keys of an example that say where the break is, and of what kind.
PLACES = ("point", "masked", "filled_with", "policy", "weight", "gradient_by", "variable", "value")


def smallest(
    case: Case, result: Result, answer: Callable[[Case], Result], seconds: float
) -> tuple[Case, Result]:
    """The smallest sample and its result, found in at most five times `PATIENCE`.

    A smaller sample counts only where the break is the same one: in its words but for their
    numbers, its place and its kind.

    Args:
        case: Where the break was found.
        result: The break.
        answer: The contract's result on another case.
        seconds: How long the first answer took.
    """
    if seconds > PATIENCE or case.target.kind == "initializer":
        return case, result
    until, told = time.perf_counter() + 5 * PATIENCE, story(result)
    improved = True
    while improved and time.perf_counter() < until:
        improved = False
        for inputs in smaller(case.inputs):
            again = _answer_where_accepted(case.with_inputs(inputs), answer)
            if again is not None and story(again) == told:
                case, result, improved = case.with_inputs(inputs), again, True
                break
            if time.perf_counter() > until:
                break
    return case, result


def story(result: Result) -> tuple[Any, ...]:
    """What makes two breaks the same one, whatever the sizes."""

    def plain(text: str) -> str:
        return NUMBER.sub("#", NAMED.sub("", text))

    words = plain(result.message)
    place = {k: plain(str(v)) for k, v in result.example.items() if k in PLACES}
    return result.status, words, result.where, sorted(place.items())


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
            less = map_leaves(lambda x, axis=axis: _halved(x, axis), inputs)
            if not any(_is_point(x) for x in _flat(less)):
                yield less


def _is_point(x: np.ndarray) -> bool:
    """A volume of one place: TensorFlow's adaptive pooling divides by 0 there and ends Python."""
    return x.ndim > 4 and max(x.shape[1:-1]) == 1


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
