"""What the data tell about themselves: how long a period is, and where the amplifier clips."""

import numpy as np

LONGEST_PERIOD = 4096
CLEAR = 0.03
# A peak counts from this part of the highest on; lags agree within this part of them.
PART = 0.3
WITHIN = 0.12
SCALES_A_PERIOD = 4
SEEN_BY_BURSTS = 16
REACH = 16


def find_period(x):
    """Samples between repetitions in `x`, or None where nothing repeats.

    The first high peak of the mean of two autocorrelations, the signal's and its envelope's: beats
    that change their shape or sign still come one after the other, and a second wave within a beat
    has no second burst of power. Over short pieces of the recording, so that a drifting rate blurs
    little.

    Noise and wander can hide it, or show a wave within a beat or several beats instead. There the
    bursts of slope at all scales decide.
    """
    length = min(LONGEST_PERIOD, len(x) // 2)
    if length < 16:
        return None
    pieces = _detrended(_pieces(x, length))
    smooth = max(2, round(_ripple(pieces)))
    signal = repeats = _autocorrelation(pieces)
    if 4 * smooth < length:
        envelope = _autocorrelation(_detrended(_envelope(pieces, smooth)))
        repeats = (repeats[: len(envelope)] + envelope) / 2
    height, period = _first_peak(repeats)
    bursts = _bursts(pieces)
    hidden = _burst_period(bursts, len(x))
    if height < CLEAR:
        return hidden
    if hidden and (_within_a_beat(period, hidden, bursts) or _of_beats(period, hidden, signal)):
        return hidden
    return period


def _within_a_beat(period, hidden, bursts):
    """Is it from wave to wave of one beat? Then no burst comes again after so short a time."""
    near = bursts[round((1 - WITHIN) * period) : round((1 + WITHIN) * period) + 1]
    return SEEN_BY_BURSTS < period < hidden / 1.5 and near.max() < PART * bursts[hidden]


def _of_beats(period, hidden, signal):
    """Is it of several beats? Not if the signal turns round after one: it is a wave's half."""
    return period > 1.5 * hidden and signal[hidden] > -0.05


def _bursts(pieces):
    """The autocorrelation of bursts of slope: the mean over scales of 1, 2, 4, ... samples.

    Noise and wander hide some scales, and add little to the mean.
    """
    longest = pieces.shape[1] // 2
    scales = [1 << k for k in range(longest.bit_length()) if SCALES_A_PERIOD << k < longest]
    total = np.zeros(longest)
    for scale in scales:
        again = _burst_repeats(pieces, scale)[:longest]
        total[: len(again)] += again / len(scales)
    # Over a sixteenth of the lag to either side: the comb of a mains hum is finer.
    lags = np.arange(longest)
    low, high = lags - lags // REACH, np.minimum(lags + lags // REACH + 1, longest)
    sums = np.concatenate([[0.0], np.cumsum(total)])
    return (sums[high] - sums[low]) / (high - low)


def _burst_period(bursts, length):
    if not bursts.any():
        return None
    height, period = _highest_or_its_part(bursts)
    # Noise peaks as well, the higher the fewer periods there are.
    by_chance = np.sqrt(period / 8 / length)
    return period if height >= max(CLEAR / 2, 2 * by_chance) else None


def _highest_or_its_part(a, most=8):
    """(height, lag) of the highest peak, or of a high one near a half, a third, ... of its lag."""
    top = int(a.argmax())
    for parts in range(most, 1, -1):
        start, stop = (round(top / parts * (1 + side * WITHIN)) for side in (-1, 1))
        lag = start + int(a[start : stop + 1].argmax())
        if start < lag < stop and a[lag] >= PART * a[top]:
            return float(a[lag]), lag
    return float(a[top]), top


def _burst_repeats(pieces, scale):
    """Autocorrelation of the envelope at one scale, from where one burst has ended; at least 0."""
    smooth = _moving_sum(pieces, scale)
    slopes = smooth[:, scale:] - smooth[:, :-scale]
    envelope = np.sqrt(np.maximum(_moving_sum(slopes**2, 2 * scale), 0))
    # Else a few large bursts would count for more than all others.
    envelope = np.minimum(envelope, np.quantile(envelope, 0.9, axis=1, keepdims=True))
    again = _autocorrelation(_detrended(envelope))
    ended = np.flatnonzero(again < 0)
    first = ended[0] if len(ended) else len(again)
    again[: max(first, SCALES_A_PERIOD * scale)] = 0
    return np.maximum(again, 0)


def grain(x):
    """Samples a cycle at the root mean square frequency of `x`: how fine its detail is."""
    length = min(LONGEST_PERIOD, len(x) // 2)
    return float(_ripple(_detrended(_pieces(x, length)))) if length >= 4 else 1.0


def find_rails(x, run):
    """The lowest and the highest value of `x` where the recording is clipped; else -inf and inf.

    Clipped: the extreme value comes `run` times in a row, rarely in all, and lies far out.
    """
    rails = [-np.inf, np.inf]
    low, middle, high = np.nanquantile(x, [0.25, 0.5, 0.75])
    for side, extreme in enumerate((np.nanmin(x), np.nanmax(x))):
        at = x == extreme
        far = abs(extreme - middle) > 3 * (high - low) > 0
        if far and at.mean() < 0.01 and longest_run(at) >= run:
            rails[side] = float(extreme)
    return rails


def longest_run(flags):
    """The longest row of True."""
    starts, stops = runs(flags)
    return int((stops - starts).max(initial=0))


def runs(flags):
    """Where each row of True starts, and where it has ended."""
    edges = np.diff(np.concatenate([[0], np.asarray(flags, "int8"), [0]]))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)


def _pieces(x, length, most=200):
    starts = np.arange(0, len(x) - length + 1, max(1, length // 2))
    if len(starts) > most:
        starts = starts[np.linspace(0, len(starts) - 1, most).astype(int)]
    return np.stack([x[s : s + length] for s in starts]).astype("float64")


def _detrended(pieces):
    """Each piece without its straight line."""
    t = np.linspace(-1, 1, pieces.shape[1])
    pieces = pieces - pieces.mean(1, keepdims=True)
    return pieces - np.outer(pieces @ t / (t @ t), t)


def _ripple(pieces):
    frequency = np.fft.rfftfreq(pieces.shape[1])
    power = (np.abs(np.fft.rfft(pieces * np.hanning(pieces.shape[1]))) ** 2).mean(0)
    total = power @ frequency**2
    return np.sqrt(power.sum() / total) if total > 0 else pieces.shape[1]


def _envelope(pieces, smooth):
    """Root of the mean squared slope over `smooth` samples."""
    return np.sqrt(np.maximum(_moving_sum(np.diff(pieces) ** 2, smooth), 0))


def _moving_sum(pieces, width):
    total = np.cumsum(np.pad(pieces, ((0, 0), (1, 0))), axis=1)
    return total[:, width:] - total[:, :-width]


def _autocorrelation(pieces):
    """The median over the pieces, for lags up to half a piece."""
    length = pieces.shape[1]
    padded = 1 << (2 * length - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(pieces, padded)) ** 2
    raw = np.fft.irfft(spectrum, padded)[:, : length // 2]
    raw = raw / np.maximum(raw[:, :1], 1e-12)
    return np.median(raw, 0) / (1 - np.arange(length // 2) / length)


def _first_peak(a):
    """(height, lag) of the first peak, after the first dip below 0, of `PART` of the highest."""
    below = np.flatnonzero(a < 0)
    first = max(below[0] if len(below) else len(a), 4)
    inner = np.arange(max(first, 1), len(a) - 1)
    peaks = inner[(a[inner] >= a[inner - 1]) & (a[inner] > a[inner + 1])]
    if not len(peaks) or (top := a[peaks].max()) <= 0:
        return 0.0, 0
    lag = peaks[a[peaks] >= PART * top][0]
    return float(a[lag]), int(lag)
