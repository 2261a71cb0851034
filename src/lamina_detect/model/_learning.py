"""From a recording to a scoring model that has learned what is usual in it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

import lamina
from lamina_detect._common import BadInput
from lamina_detect.model import _fit
from lamina_detect.model._build import (
    assign_codebooks,
    assign_experts,
    build_density_scorer,
    build_front,
    build_scorer,
    experts_of,
    with_parts,
)
from lamina_detect.model._experts import Learned, learn_experts, learn_relation, relation_lags
from lamina_detect.model._score_gate import ScoreGate
from lamina_detect.model._score_stream import BLOCK, ScoreStream
from lamina_detect.model._shapes import LEAST_VISITS, Shapes
from lamina_detect.model._whitening import Whitening
from lamina_detect.recordings import Recording

# 1: the density alone, one score. Read, and scored as it was.
FORMAT, FORMATS = 2, (1, 2)


@dataclasses.dataclass(frozen=True)
class Options:
    """Those of the `Detector`."""

    window: int | None
    shapes: int
    components: int
    seed: int
    window_of_period: float
    cutoff_of_period: float
    gate_clipped: bool


class Learning(NamedTuple):
    """The model, what its parts were learned as, and the stream that has compiled it."""

    scorer: keras.Model
    codebooks: list[Shapes]
    experts: list[Learned] | None = None
    stream: lamina.Stream | None = None


class Part(NamedTuple):
    """Samples, and what the experts that score them have learned."""

    samples: Sequence[np.ndarray]
    experts: Sequence[Learned]
    relation: Whitening | None


def learn_scorer(
    recording: Recording, options: Options, to_score: Recording | None = None
) -> Learning:
    """Learn from `recording` what is usual; `to_score`: as in `Detector.fit`."""
    pieces, shown = _fit.fitting_pieces(recording), None
    if to_score is not None:
        shown = _fit.fitting_pieces(to_score)
    used = _fit.find_used(recording, pieces, shown)
    pieces = [piece[:, used] for piece in pieces]
    shown = shown and [piece[:, used] for piece in shown]
    length = None if to_score is None else to_score.length
    scale = _fit.find_scale(
        recording, shown or pieces, options.window, options.window_of_period, length
    )
    settings = _settings(recording, options, used, scale)
    settings["visits"] = 1 if to_score is not None else LEAST_VISITS
    learn = _learn_density if scale.rhythm else _learn_experts
    return learn(recording, options, pieces, scale, settings, shown)


def _learn_density(
    recording: Recording,
    options: Options,
    pieces: list[np.ndarray],
    scale: _fit.Scale,
    settings: dict[str, Any],
    shown: list[np.ndarray] | None,
) -> Learning:
    front = build_front(len(settings["leads"]), options.cutoff_of_period / scale.period)
    scorer = build_density_scorer(front, settings)
    _assign_scale(scorer, options, pieces, scale, shown)
    filtered = _outputs(front, pieces)
    gate = scorer.get_layer("steady")
    factors = _outputs(keras.Model(scorer.input, gate.output), pieces)
    codebooks = _fit.learn(recording, filtered, factors, settings)
    assign_codebooks(scorer, codebooks)
    return Learning(scorer, codebooks)


def _learn_experts(
    recording: Recording,
    options: Options,
    pieces: list[np.ndarray],
    scale: _fit.Scale,
    settings: dict[str, Any],
    shown: list[np.ndarray] | None,
) -> Learning:
    scorer = build_scorer(settings)
    centre, spread = _assign_scale(scorer, options, pieces, scale, shown)
    standard = [((piece - centre) / spread).astype("float32") for piece in pieces]
    signals = _fit.signals_of(standard)
    if lead := _fit.lacks_windows(signals, settings):
        raise BadInput(_fit.too_few(recording, lead, settings["window"]))
    experts = [learn_experts(signal, settings) for signal in signals]
    relation = learn_relation(signals, settings)
    parts = [Part(pieces, experts, relation)]
    if shown is not None:
        parts = _halves(pieces, standard, settings) or parts
    # Compiled once: what is assigned later shows at once.
    stream = lamina.Stream(with_parts(scorer), jit_compile=True)
    _learn_tails(scorer, stream, parts, settings)
    assign_experts(scorer, experts, relation)
    return Learning(scorer, [own.density for own in experts], experts, stream)


def _halves(
    pieces: Sequence[np.ndarray],
    standard: Sequence[np.ndarray],
    settings: Mapping[str, Any],
) -> list[Part]:
    """Each half of the samples with what the other half shows; none if that is too little.

    What was learned from fits too well: of a few hundred samples, several times better than
    what is then scored.
    """
    known = [_fit.signals_of(half) for half in _fit.halves(standard)]
    if any(_fit.lacks_windows(signals, settings) for signals in known):
        return []
    return [
        Part(
            half,
            [learn_experts(signal, settings) for signal in other],
            learn_relation(other, settings),
        )
        for half, other in zip(_fit.halves(pieces), reversed(known), strict=True)
    ]


def _learn_tails(
    scorer: keras.Model,
    compiled: lamina.Stream,
    parts: Sequence[Part],
    settings: Mapping[str, Any],
) -> None:
    """How high each expert's scores are."""
    leads = len(settings["leads"])
    stream = ScoreStream(compiled, BLOCK, settings["window"] - 1, (list(range(leads)), leads))
    causal, late = [], []
    for part in parts:
        assign_experts(scorer, part.experts, part.relation)
        for piece in part.samples:
            stream.reset()
            for start in range(0, len(piece), BLOCK):
                found = stream.parts(piece[start : start + BLOCK])
                causal.append(found[2])
                late.append(found[3])
            gap = np.full((stream.delay, leads), np.nan, "float32")
            late.append(stream.parts(gap)[3])
    scorer.get_layer("causal_tails").assign(np.concatenate(causal))
    scorer.get_layer("tails").assign(np.concatenate(late))


def _assign_scale(
    scorer: keras.Model,
    options: Options,
    pieces: list[np.ndarray],
    scale: _fit.Scale,
    shown: list[np.ndarray] | None,
) -> tuple[np.ndarray, np.ndarray]:
    centre, spread = _fit.centre_and_scale(pieces, shown)
    standardise = scorer.get_layer("standardise")
    standardise.centre.assign(centre)
    standardise.scale.assign(spread)
    if options.gate_clipped:
        rails = _fit.rails_of(pieces, scale.period)
        for layer in scorer.layers:
            if isinstance(layer, ScoreGate):
                layer.rails.assign(rails)
    return centre, spread


def _settings(
    recording: Recording, options: Options, used: list[int], scale: _fit.Scale
) -> dict[str, Any]:
    leads = [recording.leads[i] for i in used]
    settings = {
        "format": FORMAT,
        "leads": leads,
        "left_out": [name for name in recording.leads if name not in leads],
        "used": used,
        "units": list(recording.units),
        "rate": recording.rate,
        "window": int(scale.window),
        "period": float(scale.period),
        "experts": ["density"] if scale.rhythm else experts_of(len(leads)),
        "settle": round(_fit.SETTLE_OF_PERIOD * scale.period) if scale.rhythm else 0,
        # A window without its mean has one direction less, and one must be left out.
        "components": min(options.components, scale.window - 2),
        "shapes": options.shapes,
        "seed": options.seed,
    }
    if scale.rhythm:
        return settings
    settings |= _fit.windows_of(scale, options.window_of_period)
    every = settings["every"]
    lags = {name: settings[name] // every for name in ("window", "half", "density_window")}
    return settings | {
        "components": min(options.components, lags["density_window"] - 2),
        "directions": min(_fit.DIRECTIONS, lags["half"] - 1),
        "relation": min(_fit.DIRECTIONS, len(leads) * len(relation_lags(settings["half"])) - 1),
        "nearest": min(
            round(_fit.MORE_SHAPES * options.shapes), _fit.CODEBOOK_VALUES // lags["window"]
        ),
    }


def _outputs(model: keras.Model, pieces: list[np.ndarray]) -> list[np.ndarray]:
    """What the model makes of each piece `(samples, leads)`."""
    return [
        np.asarray(keras.ops.convert_to_numpy(model(piece[None].astype("float32"))))[0]
        for piece in pieces
    ]
