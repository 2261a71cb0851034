"""What the model gives, and what results are made of."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Scores:
    """What `Detector.score` gives.

    `values` `(length, leads + 1)`: each lead's retrospective score, then that of all together: the
    mean over the windows that hold a sample. High: unusual; 0: as usual as can be; also 0 where the
    recording is clipped; NaN in a gap. `causal` `(length,)`: together, of the window that ends at a
    sample: nothing after it counts. `samples` `(length, leads)`. `leads`: those that are scored.
    """

    values: np.ndarray
    samples: np.ndarray
    leads: tuple[str, ...]
    causal_values: np.ndarray

    @property
    def together(self) -> np.ndarray:
        """The retrospective score of all leads together."""
        return self.values[:, -1]

    @property
    def causal(self) -> np.ndarray:
        """The causal score of all leads together."""
        return self.causal_values[:, -1]
