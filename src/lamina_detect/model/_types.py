"""Names for what Keras leaves without a type."""

from typing import Any

Tensor = Any  # of whichever backend, symbolic ones too
Shape = tuple[int | None, ...]
State = dict[str, Tensor]
