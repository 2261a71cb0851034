"""The descriptor of a public layer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

EXPORTS = frozenset({"savedmodel", "onnx", "litert"})


@dataclass(frozen=True)
class Row:
    """A public layer, ready to be tested.

    Attributes:
        name: The layer's public name in `lamina`; a further row of the same layer adds `[variant]`.
        make: A fresh, unbuilt layer.
        inputs: `rng -> inputs`: one array, or a list or dict of them, with a batch of 3.
        oracle: `(layer, inputs) -> expected` in NumPy, by code that is not ours or a closed form.
        traits: What its author declares; keys as in `lamina.contracts`.
        exports: Where its model exports from TensorFlow, with equal outputs.
        tolerance: Largest difference from the oracle, relative to its largest value; 0: none.
    """

    name: str
    make: Callable[[], Any]
    inputs: Callable[[np.random.Generator], Any]
    oracle: Callable[..., Any] | None
    traits: Mapping[str, Any] = field(default_factory=dict)
    exports: frozenset[str] = EXPORTS
    tolerance: float = 1e-6

    @property
    def layer(self) -> str:
        """The public name, without the variant."""
        return self.name.partition("[")[0]


def case(row: Row, seed: int = 0) -> tuple[Any, Any]:
    """A fresh layer of `row` and its inputs."""
    return row.make(), row.inputs(np.random.default_rng(seed))
