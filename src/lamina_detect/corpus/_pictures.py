"""A small picture of an event: the range of its lead around it, as SVG."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from lamina_detect.recordings import Recording

WIDTH, HEIGHT = 320, 90
# Before the event and after it, in lengths of it; and samples at least.
AROUND, LEAST = 2, 60
# What the width can show.
COLUMNS = 160


@dataclasses.dataclass(frozen=True)
class Picture:
    """`svg`: an element; `unit`: of what it shows."""

    svg: str
    unit: str


def picture_of(recording: Recording, event: Mapping[str, Any]) -> Picture:
    """The lead of an event around it, the event shaded."""
    span = max(LEAST, AROUND * (event["end"] - event["start"]))
    start, stop = max(0, event["start"] - span), min(recording.length, event["end"] + span)
    lead = list(recording.leads).index(event["lead"])
    low, high = _envelope(recording.read(start, stop)[:, lead])
    unit = recording.units[lead]
    scale = WIDTH / (stop - start)
    x, width = (event["start"] - start) * scale, (event["end"] - event["start"]) * scale
    shade = f'<rect class="event" x="{x:.1f}" y="0" width="{width:.1f}" height="{HEIGHT}"/>'
    return Picture(
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="the signal around sample {event["peak"]}">{shade}{_band(low, high)}</svg>',
        unit,
    )


def _envelope(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest of each column; NaN in a gap."""
    edges = np.unique(np.linspace(0, len(x), min(COLUMNS, len(x)) + 1).astype(int)[:-1])
    return np.fmin.reduceat(x, edges), np.fmax.reduceat(x, edges)


def _band(low: np.ndarray, high: np.ndarray) -> str:
    """The range as a closed path for each stretch without a gap."""
    there = np.isfinite(low)
    if not there.any():
        return ""
    bottom, top = float(low[there].min()), float(high[there].max())
    scale = (HEIGHT - 8) / (top - bottom or 1.0)
    x = (np.arange(len(low)) + 0.5) * WIDTH / len(low)

    def points(values: np.ndarray, places: np.ndarray) -> list[str]:
        return [f"{x[i]:.1f},{HEIGHT - 4 - (values[i] - bottom) * scale:.1f}" for i in places]

    stretches = np.split(np.arange(len(low)), np.flatnonzero(np.diff(there)) + 1)
    paths = [
        "M" + "L".join([*points(high, s), *points(low, s[::-1])]) + "Z"
        for s in stretches
        if there[s[0]]
    ]
    return f'<path class="signal" d="{"".join(paths)}"/>'
