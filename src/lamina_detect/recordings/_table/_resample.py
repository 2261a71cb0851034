"""Uneven samples averaged to even steps."""

from typing import Any

import numpy as np

from lamina_detect._common import BadInput, first_line
from lamina_detect.recordings._table._grid import MOST_ADDED


def resampled(
    path: Any, times: Any, values: np.ndarray, labels: np.ndarray | None, rule: str
) -> tuple[Any, np.ndarray, np.ndarray | None]:
    """The mean of the samples of each step, NaN where there is none; a step is marked if any is."""
    import pandas as pd

    dates = hasattr(times, "asi8")
    index: Any = times if dates else pd.to_timedelta(np.round(np.asarray(times) * 1e9), unit="ns")
    try:
        step = pd.Timedelta(pd.tseries.frequencies.to_offset(rule))
    except ValueError as error:
        raise BadInput(
            f"resample: {first_line(error)}; write a step such as 5min, 1s, 20ms"
        ) from None
    steps = (index.max() - index.min()) / step
    if step <= pd.Timedelta(0) or (steps + 1) * values.shape[1] > len(times) + MOST_ADDED:
        raise BadInput(f"{path}: steps of {rule} would be {steps:,.0f} samples; choose longer ones")
    # What pandas groups must lie in order, and begin at a whole step of the clock.
    frame = pd.DataFrame(values, index=index).sort_index().resample(step).mean()
    marked = None
    if labels is not None:
        marked = pd.Series(labels, index=index).sort_index().resample(step).max()
        marked = marked.fillna(False).to_numpy(bool)
    shown = frame.index if dates else frame.index.to_numpy().astype("int64") / 1e9
    return shown, frame.to_numpy("float32"), marked
