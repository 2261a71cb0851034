"""What is usual, learned from a recording, and a score for every sample.

Importing it registers the layers of saved detectors with Keras.
"""

from lamina_detect.model._build import assign_codebooks
from lamina_detect.model._density import LeadScores, ShapeDensity
from lamina_detect.model._detector import Detector
from lamina_detect.model._fit import MOST_LEARNED
from lamina_detect.model._nearest_usual import nearest_usual
from lamina_detect.model._score_gate import ScoreGate, Standardise
from lamina_detect.model._score_stream import BLOCK, Pushed, ScoreStream
from lamina_detect.model._shapes import Shapes
from lamina_detect.model._tail_probability import tail_table

__all__ = [
    "BLOCK",
    "MOST_LEARNED",
    "Detector",
    "LeadScores",
    "Pushed",
    "ScoreGate",
    "ScoreStream",
    "ShapeDensity",
    "Shapes",
    "Standardise",
    "assign_codebooks",
    "nearest_usual",
    "tail_table",
]
