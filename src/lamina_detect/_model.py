"""The model: from stored bytes, or samples, to a score for every sample."""

import math

import keras
from keras import ops

import lamina
from lamina_detect._condition import Standardise, Steady
from lamina_detect._density import LeadScores, ShapeDensity

# Slower than this is wander, not shape: 0.6 cycles a period, 0.7 Hz at 70 beats a minute.
CUTOFF_OF_PERIOD = 0.6
ALL_PASS = [[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]]


def build_decoder(packing):
    """Frames of bytes, gain and baseline to samples in physical units."""
    frames = keras.Input((None, packing.frame_bytes), dtype="uint8", name="bytes")
    gain = keras.Input((packing.channels,), name="gain")
    baseline = keras.Input((packing.channels,), name="baseline")
    decode = lamina.PackedSampleDecoder(packing.format, packing.channels, name="decode")
    samples = decode(frames, gain=gain, baseline=baseline)
    return keras.Model([frames, gain, baseline], samples, name="decoder")


def build_front(leads, period, level=False):
    """Samples to what the windows are cut from: without wander, unless the level counts."""
    x = keras.Input((None, leads), name="samples")
    y = Standardise(name="standardise")(x)
    sections = ALL_PASS if level else highpass(CUTOFF_OF_PERIOD / period)
    return keras.Model(x, lamina.Biquad(sections, initial="edge", name="highpass")(y), name="front")


def build_scorer(front, settings):
    """Samples `(batch, time, leads)` to scores `(batch, time, leads + 1)`."""
    window, leads = settings["window"], len(settings["leads"])
    components, shapes = settings["components"], settings["shapes"]
    x, filtered = front.inputs[0], front.outputs[0]
    lags = tuple(range(window))
    coordinates = lamina.LagDense(
        leads * (components + 1), lags, use_bias=False, trainable=False, name="coordinates"
    )(filtered)
    energy = lamina.LagDense(leads, lags, use_bias=False, trainable=False, name="energy")(
        ops.square(filtered)
    )
    density = ShapeDensity(components, shapes, name="density")([coordinates, energy])
    factors = Steady(window + settings["settle"], name="steady")(x)
    scores = LeadScores(settings, name="scores")([density, factors])
    return keras.Model(x, scores, name="scorer")


def build_whole(packing, scorer):
    """The scorer behind a decoder of stored bytes, where the recording has them."""
    if packing is None:
        return scorer
    decoder = build_decoder(packing)
    return keras.Model(decoder.inputs, scorer(decoder.outputs[0]), name="detector")


def highpass(cutoff):
    """A first-order high-pass (Butterworth) as one section; `cutoff` in cycles a sample."""
    k = math.tan(math.pi * min(cutoff, 0.2))
    return [[1 / (1 + k), -1 / (1 + k), 0.0, 1.0, (k - 1) / (1 + k), 0.0]]
