"""What recordings, model and results share: NumPy and the standard library only."""

from lamina_detect._common._atomic import atomic_write
from lamina_detect._common._errors import BadInput, first_line
from lamina_detect._common._nearest import Nearest, NearestShape
from lamina_detect._common._runs import longest_run, runs
from lamina_detect._common._scores import Scores

__all__ = [
    "BadInput",
    "Nearest",
    "NearestShape",
    "Scores",
    "atomic_write",
    "first_line",
    "longest_run",
    "runs",
]
