"""One recording to learn from, made of many: some stretches of each."""

import hashlib
from collections.abc import Iterable

import numpy as np

from lamina_detect._common import BadInput
from lamina_detect.recordings import Recording

# Of each recording so many stretches of so many samples: some dozen periods each, as long as a
# block that is scored; of a shorter one all of it.
STRETCHES, STRETCH = 4, 4096
# Between two stretches there is nothing: no window reaches over it.
GAP = 1


def pooled(recordings: Iterable[Recording]) -> Recording:
    """Stretches of every recording, a gap between; the same whatever the order they come in.

    Which stretches: drawn by a seed that is the hash of the recording's name. So each counts alike
    however long it is, and it adds the same to every corpus that it is in.

    Raises:
        BadInput: if there is none, or two differ in leads or rate.
    """
    first: Recording | None = None
    parts: list[tuple[str, bytes, np.ndarray]] = []
    for recording in recordings:
        first = first or recording
        _check_alike(recording, first)
        samples = _stretches(recording)
        # Those of equal names are told apart by what they hold.
        parts.append((recording.name, hashlib.sha256(samples.tobytes()).digest(), samples))
    if first is None:
        raise BadInput("there is no recording to learn from")
    parts.sort(key=lambda part: part[:2])
    samples = np.concatenate([part[2] for part in parts])
    names = ", ".join(part[0] for part in parts[:3]) + (", ..." if len(parts) > 3 else "")
    return Recording.from_array(
        samples,
        first.rate,
        first.leads,
        name=f"{len(parts)} recordings ({names})",
        units=tuple(first.units),
    )


def _check_alike(recording: Recording, first: Recording) -> None:
    known = [(len(r.leads), r.rate) for r in (recording, first)]
    if known[0] != known[1]:
        told = " and ".join(
            f"{r.name} has {leads} leads at {rate or 'no known'} samples per second"
            for r, (leads, rate) in zip((recording, first), known, strict=True)
        )
        raise BadInput(f"recordings that one model learns from must be alike: {told}")


def _stretches(recording: Recording) -> np.ndarray:
    """Those of one recording, in their order, each with a gap after it."""
    if recording.length <= STRETCHES * STRETCH:
        starts, size = np.array([0]), recording.length
    else:
        # One in each part of the recording, so that they do not overlap.
        seed = int.from_bytes(hashlib.sha256(recording.name.encode()).digest()[:8], "little")
        edges = np.linspace(0, recording.length, STRETCHES + 1).astype(int)
        rng = np.random.default_rng(seed)
        starts, size = rng.integers(edges[:-1], edges[1:] - STRETCH, endpoint=True), STRETCH
    gap = np.full((GAP, len(recording.leads)), np.nan, "float32")
    return np.concatenate([x for s in starts for x in (recording.read(s, s + size), gap)])
