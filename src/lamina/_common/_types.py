"""Names for what crosses a border: the same on every backend."""

from typing import Any, TypeAlias

# A tensor of the backend that runs, a Keras variable or symbol, or what becomes one (a NumPy array,
# nested numbers). Keras has no type for all of these, and no backend may be imported for its own.
Array: TypeAlias = Any

# Sizes of the axes; None where a size is not known yet.
Shape: TypeAlias = tuple[int | None, ...]

# One array, or a nested list, tuple or dict of them.
Tree: TypeAlias = Any

# Arrays by name, as a layer's `initial_state` and `step` give them.
State: TypeAlias = dict[str, Array]
