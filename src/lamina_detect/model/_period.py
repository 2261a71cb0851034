"""How long a period of the data is, and how fine their detail.

The rules were chosen on the four MIT-BIH records with alterations (noise, wander, hum, other rates)
and on made-up series: docs/detection.md. A number below without another reason has this one.
"""

import numpy as np

# Lags are sought in pieces of at most this many samples: 11 s of an ECG at 360 samples per second,
# in which the rate drifts little.
LONGEST_PIECE = 4096
# At most so many pieces, spread over the recording: their median needs no more.
MOST_PIECES = 200
# An autocorrelation whose highest peak is lower than this shows no period.
MIN_PEAK = 0.03
# A peak counts from this fraction of the highest on.
PEAK_FRACTION = 0.3
# Two lags agree within this fraction of them: heartbeats come so much early or late.
LAG_TOLERANCE = 0.12
# The finest scale must resolve the period: a burst of `scale` samples up and down takes 4 of them.
SCALES_PER_PERIOD = 4
# From 16 samples on three scales (1, 2 and 4) can show a repetition: with fewer, that there is none
# says little.
MIN_BURST_PERIOD = 16
# Averaging over a sixteenth of the lag to either side: the comb of a mains hum is finer.
SMOOTHED_PART = 16
# Lags whose ratio is beyond this are different periods: half way from the same to its double.
OTHER_PERIOD = 1.5
# Below this the signal is turned round: half a period of a smooth wave. A little below 0, where an
# autocorrelation scatters.
TURNED = -0.05
# Harmonics of the period that are looked for: up to 8 beats may have been taken for one.
MOST_PARTS = 8


def find_period(x: np.ndarray) -> float | None:
    """Samples between repetitions in `x`, or None where nothing repeats.

    The first high peak of the mean of two autocorrelations, the signal's and its envelope's: beats
    that change their shape or sign still come one after the other, and a second wave within a beat
    has no second burst of power. Over short pieces of the recording, so that a drifting rate blurs
    little.

    Noise and wander can hide it, or show a wave within a beat or several beats instead. There the
    bursts of slope at all scales decide.
    """
    length = min(LONGEST_PIECE, len(x) // 2)
    if length < 16:
        return None
    pieces = _detrended(_pieces(x, length))
    smooth = max(2, round(_rms_cycle(pieces)))
    signal = repeats = _autocorrelation(pieces)
    if 4 * smooth < length:
        envelope = _autocorrelation(_detrended(_envelope(pieces, smooth)))
        repeats = (repeats[: len(envelope)] + envelope) / 2
    height, period = _first_peak(repeats)
    bursts = _bursts(pieces)
    hidden = _burst_period(bursts, len(x))
    if height < MIN_PEAK:
        return hidden
    if hidden and (_within_a_beat(period, hidden, bursts) or _of_beats(period, hidden, signal)):
        return hidden
    return period


def _within_a_beat(period: int, hidden: int, bursts: np.ndarray) -> bool:
    """Is it from wave to wave of one beat? Then no burst comes again after so short a time."""
    near = bursts[round((1 - LAG_TOLERANCE) * period) : round((1 + LAG_TOLERANCE) * period) + 1]
    shorter = MIN_BURST_PERIOD < period < hidden / OTHER_PERIOD
    return shorter and near.max() < PEAK_FRACTION * bursts[hidden]


def _of_beats(period: int, hidden: int, signal: np.ndarray) -> bool:
    """Is it of several beats? Not if the signal turns round after one: it is a wave's half."""
    return period > OTHER_PERIOD * hidden and signal[hidden] > TURNED


def _bursts(pieces: np.ndarray) -> np.ndarray:
    """The autocorrelation of bursts of slope: the mean over scales of 1, 2, 4, ... samples.

    Noise and wander hide some scales, and add little to the mean.
    """
    longest = pieces.shape[1] // 2
    scales = [1 << k for k in range(longest.bit_length()) if SCALES_PER_PERIOD << k < longest]
    total = np.zeros(longest)
    for scale in scales:
        again = _burst_repeats(pieces, scale)[:longest]
        total[: len(again)] += again / len(scales)
    lags = np.arange(longest)
    reach = lags // SMOOTHED_PART
    low, high = lags - reach, np.minimum(lags + reach + 1, longest)
    sums = np.concatenate([[0.0], np.cumsum(total)])
    return (sums[high] - sums[low]) / (high - low)


def _burst_period(bursts: np.ndarray, length: int) -> int | None:
    if not bursts.any():
        return None
    height, period = _highest_or_its_part(bursts)
    # Noise peaks as well: 1 / sqrt(n) is the deviation of an autocorrelation of n values, here of
    # stretches of an eighth of a period, over which it was averaged. Twice that, and noise with a
    # memory of up to 0.9 has no period (tests/detect/test_period.py).
    by_chance = np.sqrt(period / 8 / length)
    return period if height >= max(MIN_PEAK / 2, 2 * by_chance) else None


def _highest_or_its_part(a: np.ndarray) -> tuple[float, int]:
    """(height, lag) of the highest peak, or of a high one near a half, a third, ... of its lag."""
    top = int(a.argmax())
    for parts in range(MOST_PARTS, 1, -1):
        start, stop = (round(top / parts * (1 + side * LAG_TOLERANCE)) for side in (-1, 1))
        lag = start + int(a[start : stop + 1].argmax())
        if start < lag < stop and a[lag] >= PEAK_FRACTION * a[top]:
            return float(a[lag]), lag
    return float(a[top]), top


def _burst_repeats(pieces: np.ndarray, scale: int) -> np.ndarray:
    """Autocorrelation of the envelope at one scale, from where one burst has ended; at least 0."""
    smooth = _moving_sum(pieces, scale)
    slopes = smooth[:, scale:] - smooth[:, :-scale]
    envelope = np.sqrt(np.maximum(_moving_sum(slopes**2, 2 * scale), 0))
    # The highest tenth is cut off: else a few large bursts would count for more than all others.
    envelope = np.minimum(envelope, np.quantile(envelope, 0.9, axis=1, keepdims=True))
    again = _autocorrelation(_detrended(envelope))
    ended = np.flatnonzero(again < 0)
    first = ended[0] if len(ended) else len(again)
    again[: max(first, SCALES_PER_PERIOD * scale)] = 0
    return np.maximum(again, 0)


def rms_cycle(x: np.ndarray) -> float:
    """Samples per cycle at the root mean square frequency of `x`: how fine its detail is."""
    length = min(LONGEST_PIECE, len(x) // 2)
    return float(_rms_cycle(_detrended(_pieces(x, length)))) if length >= 4 else 1.0


def _pieces(x: np.ndarray, length: int) -> np.ndarray:
    starts = np.arange(0, len(x) - length + 1, max(1, length // 2))
    if len(starts) > MOST_PIECES:
        starts = starts[np.linspace(0, len(starts) - 1, MOST_PIECES).astype(int)]
    return np.stack([x[s : s + length] for s in starts]).astype("float64")


def _detrended(pieces: np.ndarray) -> np.ndarray:
    """Each piece without its straight line."""
    t = np.linspace(-1, 1, pieces.shape[1])
    pieces = pieces - pieces.mean(1, keepdims=True)
    return pieces - np.outer(pieces @ t / (t @ t), t)


def _rms_cycle(pieces: np.ndarray) -> float:
    frequency = np.fft.rfftfreq(pieces.shape[1])
    power = (np.abs(np.fft.rfft(pieces * np.hanning(pieces.shape[1]))) ** 2).mean(0)
    total = power @ frequency**2
    return np.sqrt(power.sum() / total) if total > 0 else pieces.shape[1]


def _envelope(pieces: np.ndarray, smooth: int) -> np.ndarray:
    """Root of the mean squared slope over `smooth` samples."""
    return np.sqrt(np.maximum(_moving_sum(np.diff(pieces) ** 2, smooth), 0))


def _moving_sum(pieces: np.ndarray, width: int) -> np.ndarray:
    total = np.cumsum(np.pad(pieces, ((0, 0), (1, 0))), axis=1)
    return total[:, width:] - total[:, :-width]


def _autocorrelation(pieces: np.ndarray) -> np.ndarray:
    """The median over the pieces, for lags up to half a piece."""
    length = pieces.shape[1]
    padded = 1 << (2 * length - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(pieces, padded)) ** 2
    raw = np.fft.irfft(spectrum, padded)[:, : length // 2]
    raw = raw / np.maximum(raw[:, :1], 1e-12)
    return np.median(raw, 0) / (1 - np.arange(length // 2) / length)


def _first_peak(a: np.ndarray) -> tuple[float, int]:
    """(height, lag) of the first high peak after the first dip below 0."""
    below = np.flatnonzero(a < 0)
    first = max(below[0] if len(below) else len(a), 4)
    inner = np.arange(max(first, 1), len(a) - 1)
    peaks = inner[(a[inner] >= a[inner - 1]) & (a[inner] > a[inner + 1])]
    if not len(peaks) or (top := a[peaks].max()) <= 0:
        return 0.0, 0
    lag = peaks[a[peaks] >= PEAK_FRACTION * top][0]
    return float(a[lag]), int(lag)
