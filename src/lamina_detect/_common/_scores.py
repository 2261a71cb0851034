"""What the model gives, and what results are made of."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Scores:
    """What `Detector.score` gives.

    `values` `(length, leads + 1)`: each lead's score, then the score together. High: unusual; 0 at
    the start and where the recording is clipped; NaN in a gap. `samples` `(length, leads)`.
    """

    values: np.ndarray
    samples: np.ndarray
    leads: tuple[str, ...]

    @property
    def together(self) -> np.ndarray:
        """The score of all leads together."""
        return self.values[:, -1]
