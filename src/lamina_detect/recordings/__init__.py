"""Files to samples: a recording, whatever it is stored in.

Nothing here knows the model. Only the stored bytes of a WFDB record need keras, when they are
decoded.
"""

from lamina_detect.recordings._demo import demo_path
from lamina_detect.recordings._options import ReadOptions
from lamina_detect.recordings._read import known_endings, read
from lamina_detect.recordings._recording import Beats, Packing, Read, Recording, filled

__all__ = [
    "Beats",
    "Packing",
    "Read",
    "ReadOptions",
    "Recording",
    "demo_path",
    "filled",
    "known_endings",
    "read",
]
