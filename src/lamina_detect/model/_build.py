"""The model: from stored bytes, or samples, to the two scores of every sample."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

import lamina
from lamina_detect.model._counted import Counted
from lamina_detect.model._density import LeadScores, ShapeDensity
from lamina_detect.model._expert_mean import ExpertMean
from lamina_detect.model._experts import Learned, relation_lags
from lamina_detect.model._moving_mean import MovingMean
from lamina_detect.model._nearest_shape import NearestShape
from lamina_detect.model._power_change import PowerChange
from lamina_detect.model._score_gate import ScoreGate, Standardise
from lamina_detect.model._shapes import Shapes
from lamina_detect.model._tail_probability import TailProbability
from lamina_detect.model._types import Tensor
from lamina_detect.model._whitened_distance import WhitenedDistance
from lamina_detect.model._whitening import Whitening
from lamina_detect.recordings import Packing

ALL_PASS = [[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]]
# Cycles per sample, of at most 0.5: a period of three samples leaves no room for a higher cutoff.
HIGHEST_CUTOFF = 0.2
# The experts, in the order of their scores, and what each counts: chosen by ablation on two thirds
# of the known series (docs/detection.md).
EXPERTS = {
    "shape": 2.0,
    "shape without level": 2.0,
    "power": 2.0,
    "density": 1.0,
    "variance": 1.0,
    "relation": 4.0,
    "value": 0.5,
}


def experts_of(leads: int) -> list[str]:
    """Of one lead there is no relation to others."""
    return [name for name in EXPERTS if leads > 1 or name != "relation"]


def build_front(leads: int, cutoff: float | None) -> keras.Model:
    """Samples to what the windows are cut from: on one scale, and without what is slower than
    `cutoff` cycles per sample."""
    sections = ALL_PASS if cutoff is None else highpass(cutoff)
    x = keras.Input((None, leads), name="samples")
    y = Standardise(name="standardise")(x)
    return keras.Model(x, lamina.Biquad(sections, initial="edge", name="highpass")(y), name="front")


def build_density_scorer(front: keras.Model, settings: Mapping[str, Any]) -> keras.Model:
    """The density alone, of samples `(batch, time, leads)`: two scores `(batch, time, leads + 1)`.

    The causal one, and the mean over the windows that hold a sample, `delay` samples later.
    """
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
    causal = LeadScores(dict(settings), name="scores")([density, factors])
    raw = MovingMean(window, name="over_windows")(Counted(name="counted")([density, factors]))
    now = lamina.Delay(window - 1, name="sample")(ScoreGate(1, name="sample_gate")(x))
    retrospective = LeadScores(name="retrospective")([_or_zero(raw), now])
    return keras.Model(x, [causal, retrospective], name="scorer")


def build_scorer(settings: Mapping[str, Any]) -> keras.Model:
    """Several experts: samples `(batch, time, leads)` to two scores `(batch, time, leads + 1)`.

    The causal one, and the mean over the windows that hold a sample, `delay` samples later.
    """
    window, leads = settings["window"], len(settings["leads"])
    half, density_window = settings["half"], settings["density_window"]
    x = keras.Input((None, leads), name="samples")
    standard = Standardise(name="standardise")(x)
    nearest, power, density, variance = _raw_scores(standard, settings)
    relation = _relation(standard, settings) if leads > 1 else None
    value = ops.abs(standard)
    # One sample more: the power is of steps.
    gates = {
        "long": ScoreGate(window + 1, name="gate_long")(x),
        "density": ScoreGate(density_window, name="gate_density")(x),
        "half": ScoreGate(half, name="gate_half")(x),
        "sample": ScoreGate(1, name="gate_sample")(x),
    }
    long = Counted(name="counted_long")([ops.concatenate([nearest, power], -1), gates["long"]])
    density = Counted(name="counted_density")([density, gates["density"]])
    variance = Counted(name="counted_half")([variance, gates["half"]])
    if relation is not None:
        # 1 only where no lead has a gap.
        together = ops.sum(gates["half"], -1, keepdims=True) / leads
        relation = Counted(name="counted_relation")([relation, together])
        variance = ops.concatenate([variance, *[relation] * leads], -1)
    value = Counted(name="counted_sample")([value, gates["sample"]])
    causal = ops.concatenate([long, density, variance, value], -1)
    later = ops.concatenate(
        [
            MovingMean(window, name="over_long")(long),
            _late(MovingMean(density_window, name="over_density")(density), window, density_window),
            _late(MovingMean(half, name="over_half")(variance), window, half),
            _late(value, window, 1),
        ],
        -1,
    )
    causal = TailProbability(name="causal_tails")(causal)
    later = TailProbability(name="tails")(later)
    weights = [EXPERTS[name] for name in settings["experts"]]
    scores = LeadScores(dict(settings), name="scores")(
        [ExpertMean(weights, name="causal_mean")(causal), gates["long"]]
    )
    retrospective = LeadScores(name="retrospective")(
        [ExpertMean(weights, name="mean")(later), _late(gates["sample"], window, 1)]
    )
    return keras.Model(x, [scores, retrospective], name="scorer")


def with_parts(scorer: keras.Model) -> keras.Model:
    """A scorer of `build_scorer` that gives after its scores those of each expert, both ways
    `(batch, time, experts * leads)`; another scorer as it is."""
    if "tails" not in {layer.name for layer in scorer.layers}:
        return scorer
    tails = [scorer.get_layer(name).output for name in ("causal_tails", "tails")]
    return keras.Model(scorer.inputs, [*scorer.outputs, *tails], name="with_parts")


def _raw_scores(standard: Tensor, settings: Mapping[str, Any]) -> list[Tensor]:
    """Each expert's own score of the window that ends at a sample, not yet on one scale.

    One dense layer over the lags of the longest window gives a lead's products with all that was
    learned; a shorter window's kernel is 0 beyond it.
    """
    window, leads, every = settings["window"], len(settings["leads"]), settings["every"]
    shapes, components = settings["nearest"], settings["components"]
    directions = settings["directions"]
    lags = tuple(range(0, window, every))
    smooth = MovingMean(every, name="smooth")(standard) if every > 1 else standard
    units = 2 * shapes + 1 + directions + 1 + components + 1
    nearest, variance, coordinates, energies = [], [], [], []
    for lead in range(leads):
        own = smooth[..., lead : lead + 1] if leads > 1 else smooth
        products = lamina.LagDense(
            units, lags, use_bias=False, trainable=False, name=f"products_{lead}"
        )(own)
        energy = lamina.LagDense(3, lags, use_bias=False, trainable=False, name=f"energies_{lead}")(
            ops.square(own)
        )
        a, b = 2 * shapes + 1, 2 * shapes + directions + 2
        nearest.append(
            NearestShape(shapes, name=f"nearest_{lead}")([products[..., :a], energy[..., :1]])
        )
        variance.append(
            WhitenedDistance(directions, name=f"variance_{lead}")(
                [products[..., a:b], energy[..., 1:2]]
            )
        )
        coordinates.append(products[..., b:])
        energies.append(energy[..., 2:])
    density = ShapeDensity(components, settings["shapes"], name="density")(
        [_joined(coordinates), _joined(energies)]
    )
    steps = standard - lamina.Delay(1, initial="edge", name="before")(standard)
    power = MovingMean(window, name="power")(ops.square(steps))
    return [
        _joined([n[..., i : i + 1] for i in range(2) for n in nearest]),
        PowerChange(name="power_change")(power),
        density,
        _joined(variance),
    ]


def _relation(standard: Tensor, settings: Mapping[str, Any]) -> Tensor:
    """How unusual all leads together are, a few samples of each over half a window."""
    lags = relation_lags(settings["half"])
    directions = settings["relation"]
    products = lamina.LagDense(
        directions + 1, lags, use_bias=False, trainable=False, name="relation_products"
    )(standard)
    energy = lamina.LagDense(1, lags, use_bias=False, trainable=False, name="relation_energy")(
        ops.square(standard)
    )
    return WhitenedDistance(directions, name="relation")([products, energy])


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return ops.concatenate(parts, -1) if len(parts) > 1 else parts[0]


def _late(x: Tensor, longest: int, window: int) -> Tensor:
    """What is known after `window` samples, when that of the longest window is."""
    return lamina.Delay(longest - window)(x)


def _or_zero(x: Tensor) -> Tensor:
    return ops.where(ops.isnan(x), ops.zeros_like(x), x)


def build_model(packing: Packing | None, scorer: keras.Model, used: Sequence[int]) -> keras.Model:
    """The scorer behind a decoder of stored bytes, where the recording has them.

    `used`: the channels that are scored.
    """
    if packing is None:
        return scorer
    frames = keras.Input((None, packing.frame_bytes), dtype="uint8", name="bytes")
    gain = keras.Input((packing.channels,), name="gain")
    baseline = keras.Input((packing.channels,), name="baseline")
    decode = lamina.PackedSampleDecoder(packing.format, packing.channels, name="decode")
    samples = decode(frames, gain=gain, baseline=baseline)
    if len(used) < packing.channels:
        samples = _joined([samples[..., i : i + 1] for i in used])
    return keras.Model([frames, gain, baseline], scorer(samples), name="detector")


def scorer_of(model: keras.Model) -> keras.Model:
    """The scorer in a model of `build_model`."""
    return model if model.name == "scorer" else model.get_layer("scorer")


def assign_experts(
    scorer: keras.Model, learned: Sequence[Learned], relation: Whitening | None
) -> None:
    """What the experts of `build_scorer` learned, one for each lead, and of all leads together."""
    for lead, own in enumerate(learned):
        products = scorer.get_layer(f"products_{lead}")
        energies = scorer.get_layer(f"energies_{lead}")
        nearest = scorer.get_layer(f"nearest_{lead}")
        lags = len(products.lags)
        blocks = [
            _columns(own.raw.T, lags, nearest.shapes),
            _columns(own.centred.T, lags, nearest.shapes),
            np.full((lags, 1), lags**-0.5),
            _columns(own.whitening.directions, lags),
            _columns(own.whitening.mean[:, None], lags),
            _columns(own.density.directions, lags),
            _columns(
                np.full((len(own.density.directions), 1), len(own.density.directions) ** -0.5), lags
            ),
        ]
        products.kernel.assign(np.concatenate(blocks, 1)[:, None])
        long, half, short = lags, len(own.whitening.mean), len(own.density.directions)
        energies.kernel.assign(
            np.stack([np.arange(lags) < n for n in (long, half, short)], 1)[:, None]
        )
        nearest.assign(own.raw, own.centred)
        scorer.get_layer(f"variance_{lead}").assign(own.whitening)
    if relation is not None:
        products = scorer.get_layer("relation_products")
        kernel = np.concatenate([relation.directions, relation.mean[:, None]], 1)
        products.kernel.assign(kernel.reshape(products.kernel.shape))
        energy = scorer.get_layer("relation_energy")
        energy.kernel.assign(np.ones(energy.kernel.shape))
        scorer.get_layer("relation").assign(relation)
    scorer.get_layer("density").assign([own.density for own in learned])
    scorer.get_layer("power_change").assign(
        np.array([own.power_floor for own in learned]),
        np.array([own.power_usual for own in learned]),
    )


def _columns(windows: np.ndarray, lags: int, count: int | None = None) -> np.ndarray:
    """Windows `(length, number)`, oldest sample first, as columns of a kernel: newest first."""
    length, number = windows.shape
    kernel = np.zeros((lags, count or number))
    kernel[:length, :number] = windows[::-1]
    return kernel


def assign_codebooks(scorer: keras.Model, codebooks: Sequence[Shapes]) -> None:
    """The codebooks of `build_density_scorer`, one per lead."""
    leads, (window, components) = len(codebooks), codebooks[0].directions.shape
    coordinates = np.zeros((window, leads, leads, components + 1), "float32")
    energy = np.zeros((window, leads, leads), "float32")
    for lead, book in enumerate(codebooks):
        # Lag 0 is the newest sample: the last of a window.
        coordinates[:, lead, lead, :-1] = book.directions[::-1]
        # The mean is left out of the energy.
        coordinates[:, lead, lead, -1] = window**-0.5
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
