"""Second-order sections: a recursive filter that is stable whatever is learned."""

import functools
from typing import Any

import keras
import numpy as np
from keras import ops

from lamina._common import Array, Shape, State, branch, invalid, received, register
from lamina._common._fast import tanh
from lamina.temporal import _blocks
from lamina.temporal import _segments as segments
from lamina.temporal import _state_space as state_space
from lamina.temporal._design import check_finite, scipy_signal
from lamina.temporal._inputs import mark_zero, marks_of, real_input
from lamina.temporal._temporal import Temporal

# Steps that one matrix product takes: its cost per step grows with them, the number of products
# falls. Blocks of 32 and 128 were no faster (docs/temporal.md).
BLOCK = 64
# How near the unit circle learned poles may come: a memory of 2**20 steps, with room to float32's
# numbers below 1, which are 2**-24 apart.
LIMIT = 1 - 2.0**-20
# Up to this condition number a change of state is inverted with 10 of float64's 16 digits.
CONDITION = 1e6


@register
class Biquad(Temporal):
    """A causal recursive filter in second-order sections, the same on every feature.

        y = section_S(... section_1(x)),  where one section is
        y[t] = b0 x[t] + b1 x[t-1] + b2 x[t-2] - a1 y[t-1] - a2 y[t-2]

    The sections are one state-space system in a balanced realization, and 64 steps are one
    matrix product. In float32 this errs (RMS, of the output's RMS) by about 2e-7 for poles of
    radius up to 0.9999.

    Args:
        sos: Sections `(sections, 6)` as scipy gives them: b0, b1, b2, a0 = 1, a1, a2. Stable.
        trainable: Whether the coefficients are weights that are trained, from these values. The
            poles stay inside the unit circle: a2 = L tanh(v), a1 = (1 + a2) L tanh(u) with
            L = 1 - 2**-20. A fixed filter has no weights, and stays fixed when the model is made
            trainable.
        initial: What was before the first sample: `"zeros"`, or `"edge"` for the row's first
            valid sample for ever, which spares the filter its start-up.

    Input shape:
        `(batch, time, features)`. Any of batch and time may be unknown or 0. `call` also takes
        `reset` `(batch, time)`: where it is true, the row starts again at that sample.

    Output shape:
        As the input.

    Masking:
        A masked sample counts as 0 and time goes on; its own output is 0. The mask passes on.

    Streaming:
        State `state`: `(batch, features, s)`, s at most twice the sections; with `initial="edge"`
        also `first`: `(batch, features)` and `started`: `(batch,)`. Receptive field: infinite. A
        sample that is not finite makes every later output of its feature NaN, until a reset.

    Raises:
        ValueError: if `sos` is not `(sections, 6)` of finite numbers, if a0 is not 1, or if a
            pole is on or outside the unit circle.

    Example:
        >>> Biquad([[1, 0, 0, 1, -0.5, 0]])(np.array([[[1.0], [0.0], [0.0]]]))[0, :, 0]
        [1.0, 0.5, 0.25]

    Reference:
        `scipy.signal.sosfilt(sos, x, axis=1)`. Balanced realizations: Mullis and Roberts, IEEE
        Trans. Circuits and Systems 23 (1976).
    """

    def __init__(
        self, sos: Array, trainable: bool = False, initial: str = "zeros", **kwargs: Any
    ) -> None:
        super().__init__(initial=initial, trainable=trainable, **kwargs)
        self.sos = checked_sos(sos, trainable)
        self.learned = trainable

    @classmethod
    def design(
        cls,
        order: int,
        cutoff: float | tuple[float, float],
        kind: str = "lowpass",
        fs: float = 2.0,
        **kwargs: Any,
    ) -> "Biquad":
        """A Butterworth filter by `scipy.signal.butter`; `cutoff` in the units of `fs`."""
        sos = scipy_signal().butter(order, cutoff, btype=kind, fs=fs, output="sos")
        return cls(sos, **kwargs)

    @property
    def receptive_field(self) -> float:
        return float("inf")

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        if not self.learned:
            self.states = state_space.balanced(self.sos)[0].shape[0]
            return
        self.states = 2 * len(self.sos)
        a1, a2 = self.sos[:, 4], self.sos[:, 5] / LIMIT
        poles = np.arctanh(np.stack([a1 / (1 + self.sos[:, 5]) / LIMIT, a2], axis=1))
        constant: Any = keras.initializers.Constant  # annotated as if for one number only
        self.numerator = self.add_weight(
            name="numerator", shape=(len(self.sos), 3), initializer=constant(self.sos[:, :3])
        )
        self.poles = self.add_weight(
            name="poles", shape=(len(self.sos), 2), initializer=constant(poles)
        )

    def coefficients(self) -> Array:
        """The sections as they are now: `(sections, 6)`."""
        if not self.learned:
            return self.sos
        wide = _widest()
        numerator = ops.cast(self.numerator.value, wide)
        bounded = LIMIT * tanh(ops.cast(self.poles.value, wide))
        a1, a2 = (1 + bounded[:, 1:]) * bounded[:, :1], bounded[:, 1:]
        return ops.concatenate([numerator, ops.ones_like(a1), a1, a2], axis=1)

    def initial_state(self, batch: int) -> State:
        state = {"state": ops.zeros((batch, self.features, self.states), self.compute_dtype)}
        if self.initial == "edge":
            state["first"] = ops.zeros((batch, self.features), self.compute_dtype)
            state["started"] = ops.zeros((batch,), "bool")
        return state

    def step(
        self, x: Array, state: State, mask: Array | None = None, reset: Array | None = None
    ) -> tuple[Array, State]:
        x = real_input(self, x)
        n = ops.shape(x)[1]
        if isinstance(n, int) and n == 0:
            return x, state
        mask, reset = marks_of("mask", mask, x), marks_of("reset", reset, x)
        x = mark_zero(x, mask)
        after, offset = {}, None
        if self.initial == "edge":
            x, offset, after = self._less_first(x, n, state, mask, reset)
        y, after["state"] = self._filtered(x, n, state["state"], reset)
        if offset is not None:
            y = y + ops.cast(self._gain(), x.dtype) * offset
        return mark_zero(y, mask), after

    def _gain(self) -> Array:
        """What a constant is multiplied by."""
        if not self.learned:
            return np.prod(self.sos[:, :3].sum(1) / self.sos[:, 3:].sum(1))
        sos = self.coefficients()
        return ops.prod(ops.sum(sos[:, :3], axis=1) / ops.sum(sos[:, 3:], axis=1))

    def _less_first(
        self, x: Array, n: Any, state: State, mask: Array | None, reset: Array | None
    ) -> tuple[Array, Array, State]:
        """`x` less the first valid sample of its row, that sample, and the state it leaves."""
        seen = ops.concatenate([state["first"][:, None], x], axis=1)
        mask = segments.all_valid(x) if mask is None else mask
        if reset is None:
            first = segments.first_valid_in_row(n, 1, state["started"], mask)
            first = ops.repeat(first, n + 1, axis=1)
        else:
            begin = segments.begins(reset, n, 1)
            first = segments.first_valid(begin, n, 1, state["started"], mask)
        offset = segments.at(seen, first)
        before = (1 + segments.steps(n)) < first[:, :n]
        x = ops.where(before[..., None], ops.zeros((), x.dtype), x - offset[:, :n])
        after = {"first": offset[:, -1], "started": first[:, -1] < 1 + n}
        return x, offset[:, :n], after

    def _filtered(self, x: Array, n: Any, state: Array, reset: Array | None) -> Array:
        """The filter itself. Blocks must be finite: what is not would reach all of its block."""
        finite = ops.isfinite(ops.sum(x))
        zero = ops.zeros((), x.dtype)
        clean = branch(finite, lambda: x, lambda: ops.where(ops.isfinite(x), x, zero))
        y, state = _blocks.run(self._tables(n), clean, state, reset)
        return branch(finite, lambda: (y, state), lambda: _not_finite(x, n, y, state, reset))

    def _tables(self, n: Any) -> dict[str, Array]:
        length = BLOCK
        while isinstance(n, int) and length > 2 * n:
            length //= 2
        if self.learned:
            system: Any = None
            for i, change in enumerate(_changes(_hashable(self.sos))):
                part = state_space.section(self.coefficients()[i], ops)
                change = [ops.convert_to_tensor(c, part[0].dtype) for c in change]
                system = state_space.joined(system, state_space.transformed(part, change, ops), ops)
            tables = state_space.block_tables(system, length, ops)
        else:
            tables = _fixed_tables(_hashable(self.sos), length)
        return {name: ops.cast(table, self.compute_dtype) for name, table in tables.items()}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "sos": self.sos.tolist(),
            "trainable": bool(self.learned and self.trainable),
        }


def _not_finite(x: Array, n: Any, y: Array, state: Array, reset: Array | None) -> Array:
    """`y` and `state`, NaN from the first value of `x` that is not finite to the next reset."""
    places = (1 + segments.steps(n))[:, None]
    last = segments.scan_time(ops.maximum, ops.where(ops.isfinite(x), 0, places), 0)
    reached = last > 0
    if reset is not None:
        reached = last >= ops.maximum(segments.begins(reset, n, 1)[:, :n, None], 1)
    nan = ops.full((), float("nan"), x.dtype)
    state = ops.where(ops.any(reached[:, -1:], axis=1)[..., None], nan, state)
    return ops.where(reached, nan, y), state


def _widest() -> Any:
    """The dtype that NumPy's float64 becomes: float32 on JAX without x64."""
    widest: Array = ops.convert_to_tensor(np.zeros((), "float64"))
    return widest.dtype


def _hashable(sos: np.ndarray) -> tuple:
    return tuple(map(tuple, sos.tolist()))


@functools.lru_cache(maxsize=64)
def _fixed_tables(sos: tuple, length: int) -> dict[str, np.ndarray]:
    return state_space.block_tables(state_space.balanced(np.array(sos)), length)


@functools.lru_cache(maxsize=64)
def _changes(sos: tuple) -> list[tuple[np.ndarray, np.ndarray]]:
    """A change of state for each section that scales it well where it starts."""
    changes = []
    for coefficients in np.array(sos):
        change = state_space.balancing(state_space.section(coefficients))
        usable = change[0].shape == (2, 2) and np.linalg.cond(change[0]) < CONDITION
        changes.append(change if usable else (np.eye(2), np.eye(2)))
    return changes


def checked_sos(sos: Array, trainable: bool) -> np.ndarray:
    """`sos` as a float64 array, or a ValueError."""
    try:
        values = np.asarray(sos, "float64")
    except (TypeError, ValueError):
        values = np.array([])
    if values.ndim != 2 or values.shape[1] != 6 or len(values) < 1:
        wanted = (
            "second-order sections (sections, 6): b0, b1, b2, a0, a1, a2, as scipy designs give "
            'with `output="sos"`'
        )
        raise invalid("sos", wanted, sos)
    check_finite("sos", values)
    if np.any(values[:, 3] != 1):
        raise ValueError(
            f"`sos` must have a0 = 1: divide each section by it. {received('sos', sos)}"
        )
    a1, a2 = values[:, 4], values[:, 5]
    limit = LIMIT if trainable else 1
    if np.any(np.abs(a2) >= limit) or np.any(np.abs(a1) >= (1 + a2) * limit):
        radius = max(np.abs(np.roots(row[3:])).max(initial=0) for row in values)
        raise ValueError(
            "`sos` must be stable: every pole inside the unit circle, |a2| < 1 and "
            f"|a1| < 1 + a2. The largest pole radius is {radius:.8g}. {received('sos', sos)}"
        )
    return values
