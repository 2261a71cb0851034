"""From a recording to the settings and codebooks of its model."""

import numpy as np

from lamina_detect._errors import BadInput
from lamina_detect._scale import find_period, find_rails, grain
from lamina_detect._shapes import learn_shapes

WINDOW_OF_PERIOD = 0.65
SETTLE_OF_PERIOD = 1.1
PERIOD_OF_GRAIN = 9
SHORTEST_WINDOW = 8
CLIPPED_OF_PERIOD = 0.1
PIECE = 65_536
MOST_PIECES = 16
MOST_WINDOWS = 100_000
WINDOWS_A_LEVEL = 15


def fitting_pieces(recording, samples_of):
    """The whole recording as one piece; of a long one, pieces spread evenly over it."""
    if recording.length <= MOST_PIECES * PIECE:
        return [samples_of(0, recording.length)]
    starts = np.linspace(0, recording.length - PIECE, MOST_PIECES).astype(int)
    return [samples_of(int(s), int(s) + PIECE) for s in starts]


def check_samples(recording, pieces):
    """BadInput unless every lead has something to learn from."""
    everything = np.concatenate(pieces)
    for lead, x in zip(recording.leads, everything.T, strict=True):
        there = x[np.isfinite(x)]
        if not len(there):
            raise BadInput(f"{recording.name}: {lead} has no valid sample")
        if there.min() == there.max():
            raise BadInput(f"{recording.name}: {lead} is constant: {there[0]:g} everywhere")


def find_scale(recording, pieces, window=None):
    """`(window, period, level)`: in samples, from the data unless `window` is given.

    `level`: nothing repeats, so there is no rhythm below which all is wander: the level counts.
    """
    found, grains = [], []
    for x in np.concatenate(pieces).T:
        x = filled(x)
        found.append(find_period(x))
        grains.append(grain(x))
    known = [p for p in found if p]
    period = float(np.median(known)) if known else PERIOD_OF_GRAIN * float(np.median(grains))
    if window is None:
        window = max(SHORTEST_WINDOW, round(WINDOW_OF_PERIOD * period))
        # Without a clear period a short series still deserves a few windows.
        window = window if known else min(window, max(SHORTEST_WINDOW, recording.length // 20))
    else:
        period = window / WINDOW_OF_PERIOD
    if recording.length < 2 * window:
        raise BadInput(
            f"{recording.name}: {recording.length} samples are too few to learn from: "
            f"shorter than two windows of {window} samples"
        )
    return window, max(period, window / WINDOW_OF_PERIOD), not known


def filled(x):
    """`x` with the last valid sample where there is none."""
    there = np.isfinite(x)
    last = np.maximum.accumulate(np.where(there, np.arange(len(x)), 0))
    first = x[np.argmax(there)]
    return np.where(there[last], x[last], first)


def centre_and_scale(pieces):
    """Median and ordinary spread of each lead."""
    everything = np.concatenate(pieces)
    low, middle, high = np.nanquantile(
        np.where(np.isfinite(everything), everything, np.nan), [0.25, 0.5, 0.75], axis=0
    )
    spread = np.nanstd(np.where(np.isfinite(everything), everything, np.nan), axis=0)
    return middle, np.where(high > low, (high - low) / 1.35, spread)


def rails_of(pieces, period):
    """`(leads, 2)`: the values at which each lead is clipped."""
    run = max(4, round(CLIPPED_OF_PERIOD * period))
    return np.array([find_rails(filled(x), run) for x in np.concatenate(pieces).T])


def learn(recording, filtered, factors, settings, rng):
    """A codebook a lead, of the windows without gap.

    `filtered` and `factors` are lists of pieces `(samples, leads)`.
    """
    window, components, level = settings["window"], settings["components"], settings["level"]
    shapes = settings["shapes"]
    if level:
        # Without a period there are no phases to tell apart: few shapes, each seen often.
        apart = sum(map(len, filtered)) // window
        shapes = min(shapes, max(1, apart // WINDOWS_A_LEVEL))
    codebooks = []
    for lead in range(filtered[0].shape[1]):
        views, usable = [], []
        for piece, factor in zip(filtered, factors, strict=True):
            if len(piece) >= window:
                views.append(np.lib.stride_tricks.sliding_window_view(piece[:, lead], window))
                usable.append(~np.isnan(factor[window - 1 :, lead]))
        places = np.flatnonzero(np.concatenate(usable))
        if len(places) < max(2 * components, 20):
            raise BadInput(
                f"{recording.name}: {recording.leads[lead]} has too few windows of {window} "
                "samples without gaps to learn from"
            )
        some = np.sort(rng.choice(places, min(MOST_WINDOWS, len(places)), replace=False))
        bounds = np.cumsum([0, *map(len, views)])
        windows = np.concatenate(
            [
                v[some[(some >= a) & (some < b)] - a]
                for v, a, b in zip(views, bounds[:-1], bounds[1:], strict=True)
            ]
        )
        codebooks.append(learn_shapes(windows, components, shapes, rng, level))
    return codebooks
