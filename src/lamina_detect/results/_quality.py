"""What people should know before they trust a result: missing samples, what was learned, drift."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina_detect.results._summary import BlockMaxima, Summary

# Of the windows that are compared with, this part scores above the level that is counted.
HIGHEST = 0.1
# Parts of a recording that are looked at one by one; with fewer windows each says nothing.
PARTS, MIN_WINDOWS_A_PART = 10, 10


def quality_of(
    summary: Summary, learned: BlockMaxima | None, learned_samples: int
) -> dict[str, Any]:
    """Of run.json: `missing` part of each lead, samples learned from, and `above`.

    `above`: of each tenth of the recording, the part of its windows that score above what one in
    ten does of what was learned (`learned`), or of the whole recording. A tenth each where all is
    alike; empty with too few windows.

    Args:
        summary: Of what was scored.
        learned: The highest scores of another recording's windows, if that was learned from.
        learned_samples: How many samples were learned from.
    """
    missing = [
        sum(end - start for start, end in gaps.found) / max(summary.length, 1)
        for gaps in summary.gaps
    ]
    heights = summary.maxima.heights[: summary.maxima.complete]
    known = heights if learned is None else learned.heights[: learned.complete]
    return {
        "missing": [float(f"{part:.4g}") for part in missing],
        "learned_samples": learned_samples,
        "compared_with": "the whole recording" if learned is None else "what was learned",
        "above": shares_above(heights, known),
    }


def shares_above(heights: np.ndarray, known: Sequence[float] | np.ndarray) -> list[float]:
    """Of each tenth of `heights`, the part above what `HIGHEST` of the `known` exceed.

    Windows without a score (0) do not count.
    """
    known = np.asarray(known)
    known = known[known > 0]
    if len(heights) < PARTS * MIN_WINDOWS_A_PART or len(known) < MIN_WINDOWS_A_PART:
        return []
    level = np.quantile(known, 1 - HIGHEST)
    parts = [part[part > 0] for part in np.array_split(heights, PARTS)]
    return [round(float((part > level).mean()), 3) if len(part) else 0.0 for part in parts]
