"""The model: from stored bytes, or samples, to a score for every sample."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

import lamina
from lamina_detect.model._density import LeadScores, ShapeDensity
from lamina_detect.model._score_gate import ScoreGate, Standardise
from lamina_detect.model._shapes import Shapes
from lamina_detect.recordings import Packing

ALL_PASS = [[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]]
# Cycles per sample, of at most 0.5: a period of three samples leaves no room for a higher cutoff.
HIGHEST_CUTOFF = 0.2


def build_front(leads: int, cutoff: float | None) -> keras.Model:
    """Samples to what the windows are cut from: on one scale, and without what is slower than
    `cutoff` cycles per sample."""
    sections = ALL_PASS if cutoff is None else highpass(cutoff)
    x = keras.Input((None, leads), name="samples")
    y = Standardise(name="standardise")(x)
    return keras.Model(x, lamina.Biquad(sections, initial="edge", name="highpass")(y), name="front")


def build_scorer(front: keras.Model, settings: Mapping[str, Any]) -> keras.Model:
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
    # "steady": the gate's name in the weights and states of the first version.
    factors = ScoreGate(window + settings["settle"], name="steady")(x)
    scores = LeadScores(dict(settings), name="scores")([density, factors])
    return keras.Model(x, scores, name="scorer")


def gate_of(scorer: keras.Model) -> ScoreGate:
    """The layer that marks which samples can be judged."""
    return scorer.get_layer("steady")


def build_model(packing: Packing | None, scorer: keras.Model) -> keras.Model:
    """The scorer behind a decoder of stored bytes, where the recording has them."""
    if packing is None:
        return scorer
    frames = keras.Input((None, packing.frame_bytes), dtype="uint8", name="bytes")
    gain = keras.Input((packing.channels,), name="gain")
    baseline = keras.Input((packing.channels,), name="baseline")
    decode = lamina.PackedSampleDecoder(packing.format, packing.channels, name="decode")
    samples = decode(frames, gain=gain, baseline=baseline)
    return keras.Model([frames, gain, baseline], scorer(samples), name="detector")


def scorer_of(model: keras.Model) -> keras.Model:
    """The scorer in a model of `build_model`."""
    return model if model.name == "scorer" else model.get_layer("scorer")


def assign_codebooks(scorer: keras.Model, codebooks: Sequence[Shapes], level: bool) -> None:
    """The codebooks, one per lead, as weights of the lag layers and of the density."""
    leads, (window, components) = len(codebooks), codebooks[0].directions.shape
    coordinates = np.zeros((window, leads, leads, components + 1), "float32")
    energy = np.zeros((window, leads, leads), "float32")
    for lead, book in enumerate(codebooks):
        # Lag 0 is the newest sample: the last of a window.
        coordinates[:, lead, lead, :-1] = book.directions[::-1]
        # The mean is left out of the energy where the level does not count.
        coordinates[:, lead, lead, -1] = 0 if level else window**-0.5
        energy[:, lead, lead] = 1
    scorer.get_layer("coordinates").kernel.assign(coordinates.reshape(window, leads, -1))
    scorer.get_layer("energy").kernel.assign(energy)
    scorer.get_layer("density").assign(codebooks)


def highpass(cutoff: float) -> list[list[float]]:
    """A first-order high-pass as one section; `cutoff` in cycles per sample.

    Butterworth's by the bilinear transform with the cutoff prewarped, `tan(pi * cutoff)`:
    Oppenheim and Schafer, Discrete-Time Signal Processing, chapter 7. That it is of first order
    was chosen on the four MIT-BIH records.
    """
    k = math.tan(math.pi * min(cutoff, HIGHEST_CUTOFF))
    return [[1 / (1 + k), -1 / (1 + k), 0.0, 1.0, (k - 1) / (1 + k), 0.0]]
