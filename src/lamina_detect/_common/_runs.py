"""Rows of True in an array of flags."""

import numpy as np


def runs(flags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each row of True starts, and where it has ended."""
    edges = np.diff(np.concatenate([[0], np.asarray(flags, "int8"), [0]]))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)


def longest_run(flags: np.ndarray) -> int:
    """The longest row of True."""
    starts, stops = runs(flags)
    return int((stops - starts).max(initial=0))
