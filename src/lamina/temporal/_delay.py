"""The past, a fixed number of steps later."""

from typing import Any

from lamina._common import Array, integer, register
from lamina.temporal._memory import FiniteMemory, Taps


@register
class Delay(FiniteMemory):
    """The input, `steps` time steps later.

        y[t] = x[t - steps]

    Args:
        steps: How many steps later; 0 or more.
        initial: What was before the first sample: `"zeros"`, or `"edge"` for the row's first
            valid sample repeated.

    Input shape:
        `(batch, time, features)`. Any of batch and time may be unknown or 0. `call` also takes
        `reset` `(batch, time)`: where it is true, the row starts again at that sample.

    Output shape:
        As the input.

    Masking:
        A masked sample counts as 0 and time goes on; the output at a masked step is 0. The mask
        passes on as it is, not delayed.

    Streaming:
        Exact to the bit for any split. State `past`: `(batch, steps, features)`; with
        `initial="edge"` also `started`: `(batch,)`. Receptive field: `steps + 1`.

    Raises:
        ValueError: if `steps` is not an integer of at least 0.

    Example:
        >>> Delay(2)(np.array([[[1.0], [2.0], [3.0], [4.0]]]))[0, :, 0]
        [0.0, 0.0, 1.0, 2.0]
    """

    def __init__(self, steps: int, initial: str = "zeros", **kwargs: Any) -> None:
        steps = integer("steps", steps, "the number of time steps to delay by", low=0)
        super().__init__(lags=(steps,), initial=initial, **kwargs)
        self.steps = steps

    def _from_seen(self, seen: Array, n: Any) -> Array:
        return seen[:, :n]

    def _from_taps(self, taps: Taps) -> Array:
        return taps(self.lags)[:, :, 0]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "steps": self.steps}
