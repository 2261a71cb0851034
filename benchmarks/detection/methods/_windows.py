"""Windows, and what becomes of their scores. NumPy only."""

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks.detection._labelled import Series

RETROSPECTIVE, CAUSAL = "retrospective", "causal"
MODES = (RETROSPECTIVE, CAUSAL)
BLOCK = 20_000  # windows at a time: memory

# So much of what was learned is described by its ranks; beyond, an exponential tail.
TAIL = 0.02
ENOUGH = 200  # samples of a training part whose ranks say something


@dataclasses.dataclass(frozen=True)
class Found:
    """What a method gives.

    Attributes:
        scores: By mode, `(n,)`. The causal score of a sample needs nothing after it.
        window: Of the method's alarms; None: the peers' window.
        note: What a reader of the tables must know, such as that the method refused the series.
    """

    scores: dict[str, np.ndarray]
    window: int | None = None
    note: str = ""


OfLead = Callable[[np.ndarray, np.ndarray, int], dict[str, np.ndarray]]
"""`(to learn from, samples, window)` of one lead to its scores by mode."""


def by_lead(series: Series, score: OfLead, as_it_is: bool = False) -> Found:
    """Each lead by itself on one scale; leads are joined by the mean of their -log p.

    `as_it_is`: what `score` gives is a -log p.
    """
    each = []
    for lead in series.x.T:
        lead = (lead - lead.mean()) / (lead.std() or 1)
        known = lead[: series.train] if series.train else lead
        found = score(known, lead, series.window)
        if not as_it_is:
            found = {mode: minus_log_p(s, series.train) for mode, s in found.items()}
        each.append(found)
    return Found({mode: np.mean([one[mode] for one in each], 0) for mode in each[0]})


def windows(x: np.ndarray, window: int) -> np.ndarray:
    return sliding_window_view(x, window)


def evenly(x: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of them, evenly."""
    return x if len(x) <= count else x[np.linspace(0, len(x) - 1, count).astype(int)]


def in_blocks(x: np.ndarray, run: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    return np.concatenate([run(x[i : i + BLOCK]) for i in range(0, len(x), BLOCK)])


def both(score: np.ndarray, length: int, window: int) -> dict[str, np.ndarray]:
    """The scores of all windows as those of samples, in both modes."""
    return {
        RETROSPECTIVE: averaged(score, length, window),
        CAUSAL: ended(score, length, window),
    }


def averaged(score: np.ndarray, length: int, window: int) -> np.ndarray:
    """The mean over all windows that hold a sample."""
    total, at = np.r_[0, np.cumsum(score)], np.arange(length)
    first, after = np.maximum(at - window + 1, 0), np.minimum(at, len(score) - 1) + 1
    return (total[after] - total[first]) / np.maximum(after - first, 1)


def ended(score: np.ndarray, length: int, window: int) -> np.ndarray:
    """Each window's score at its last sample."""
    found = np.full(length, score.min())
    found[window - 1 :] = score
    return found


def centred(score: np.ndarray, length: int, window: int) -> np.ndarray:
    """Each window's score at its middle."""
    before = window // 2
    return np.pad(score, (before, length - len(score) - before), mode="edge")


def minus_log_p(score: np.ndarray, train: int) -> np.ndarray:
    """-log of how often so high a score comes: by ranks, and beyond by an exponential tail."""
    known = np.sort(score[:train] if train > ENOUGH else score)
    higher = len(known) - np.searchsorted(known, score, side="left")
    by_rank = -np.log((higher + 0.5) / (len(known) + 1))
    start = known[int((1 - TAIL) * len(known))]
    excess = known[known > start] - start
    scale = excess.mean() if len(excess) > 3 else known.std() + 1e-9
    beyond = -np.log(TAIL) + np.maximum(score - start, 0) / max(scale, 1e-9)
    return np.where(score > start, beyond, by_rank)
