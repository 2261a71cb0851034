"""What layers with a finite memory share: the block step, masks, resets and what came before."""

from collections.abc import Callable, Sequence
from typing import Any

from keras import ops

from lamina._common import Array, State
from lamina.temporal import _segments as segments
from lamina.temporal._inputs import mark_zero, marks_of, mask_of, real_input
from lamina.temporal._temporal import Temporal

# `taps(lags)`: the inputs at each lag, `(batch, n, len(lags), features)`.
Taps = Callable[[Sequence[int]], Array]


class FiniteMemory(Temporal):
    """A causal layer whose output at t reads the inputs at t - lag, for each of `lags`.

    A subclass gives what it does with them: `_from_taps(taps)`, where `taps(lags)` gathers them as
    `(batch, n, len(lags), features)`; and, where something is faster than gathering,
    `_from_seen(seen, n)`, where `seen` holds the past and, after it, the block of n steps.
    """

    def __init__(self, lags: Sequence[int], initial: str = "zeros", **kwargs: Any) -> None:
        super().__init__(initial=initial, **kwargs)
        self.lags = lags

    @property
    def receptive_field(self) -> int:
        return max(self.lags) + 1

    def initial_state(self, batch: int) -> State:
        state = {"past": ops.zeros((batch, max(self.lags), self.features), self.compute_dtype)}
        if self.initial == "edge":
            state["started"] = ops.zeros((batch,), "bool")
        return state

    def step(
        self, x: Array, state: State, mask: Array | None = None, reset: Array | None = None
    ) -> tuple[Array, State]:
        mask, reset = marks_of("mask", mask, x), marks_of("reset", reset, x)
        x = mark_zero(real_input(self, x), mask)
        n = ops.shape(x)[1]
        seen = ops.concatenate([state["past"], x], axis=1)
        after = {}
        if reset is not None:
            y, after = self._with_resets(seen, n, state, mask, reset)
        else:
            if self.initial == "edge":
                seen, after["started"] = self._edge_before_first(seen, n, state["started"], mask)
            y, after["past"] = self._from_seen(seen, n), seen[:, n:]
        return mark_zero(y, mask), after

    def call(self, inputs: Array, mask: Array | None = None, reset: Array | None = None) -> Array:
        if reset is not None or self.initial != "zeros":
            return super().call(inputs, mask, reset)
        mask = marks_of("mask", mask_of(inputs) if mask is None else mask, inputs)
        return mark_zero(self._from_start(mark_zero(real_input(self, inputs), mask)), mask)

    def _from_start(self, x: Array) -> Array:
        """Outputs of a complete sequence with zeros before it."""
        batch: Any
        batch, n = ops.shape(x)[:2]
        past = self.initial_state(batch)["past"]
        return self._from_seen(ops.concatenate([past, x], axis=1), n)

    def _from_taps(self, taps: Taps) -> Array:
        """Outputs of n steps from the inputs at their lags."""
        raise NotImplementedError(f"{type(self).__name__} must give `_from_taps`")

    def _from_seen(self, seen: Array, n: Any) -> Array:
        """Outputs of the last n steps of `seen`."""
        places = max(self.lags) + segments.steps(n)

        def taps(lags: Sequence[int]) -> Array:
            return _taken(seen, _back(places, lags))

        return self._from_taps(taps)

    def _edge_before_first(self, seen, n, started, mask):
        """`seen` with, before the first valid sample of a row, that sample."""
        mask = segments.all_valid(seen[:, max(self.lags) :]) if mask is None else mask
        first = segments.first_valid_in_row(n, max(self.lags), started, mask)
        before = segments.steps(ops.shape(seen)[1]) < first
        seen = ops.where(before[..., None], segments.at(seen, first), seen)
        return seen, first[:, 0] < max(self.lags) + n

    def _with_resets(self, seen, n, state, mask, reset):
        """As `_from_seen`, but no step sees what came before the last reset of its row."""
        memory = max(self.lags)
        first = segments.begins(reset, n, memory)
        fill = ops.zeros((1, 1, 1), seen.dtype)
        after = {}
        if self.initial == "edge":
            mask = segments.all_valid(reset) if mask is None else mask
            first = segments.first_valid(first, n, memory, state["started"], mask)
            fill = segments.at(seen, first)
            after["started"] = first[:, -1] < memory + n
        places = memory + segments.steps(n)

        def taps(lags: Sequence[int]) -> Array:
            back = _back(places, lags)
            own = back >= first[:, :n, None]
            return ops.where(own[..., None], _taken(seen, back), fill[:, :n, None])

        own = n + segments.steps(memory) >= first[:, -1:]
        after["past"] = ops.where(own[..., None], seen[:, n:], fill[:, -1:])
        return self._from_taps(taps), after


def _back(places: Array, lags: Sequence[int]) -> Array:
    """Each of `places` less each of `lags`: `(n, len(lags))`."""
    return places[:, None] - ops.convert_to_tensor(lags, "int32")


def _taken(seen: Array, places: Array) -> Array:
    """`seen` `(batch, steps, features)` at `places` `(n, lags)`: `(batch, n, lags, features)`."""
    if seen.shape[1] == 0:  # Of nothing, JAX would give fewer axes.
        return ops.zeros((ops.shape(seen)[0], *places.shape, seen.shape[2]), seen.dtype)
    return ops.take(seen, places, axis=1)
