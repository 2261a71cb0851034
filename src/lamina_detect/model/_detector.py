"""`Detector`: learns what is usual in a recording, and scores what is not."""

import os
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

import lamina
from lamina_detect._common import BadInput, Scores, first_line
from lamina_detect.model import _fit
from lamina_detect.model._build import (
    EXPERTS,
    assign_codebooks,
    assign_experts,
    build_density_scorer,
    build_front,
    build_model,
    build_scorer,
    experts_of,
    scorer_of,
    with_parts,
)
from lamina_detect.model._experts import (
    Learned,
    learn_experts,
    learn_relation,
    relation_lags,
)
from lamina_detect.model._pool import pooled
from lamina_detect.model._score_gate import ScoreGate
from lamina_detect.model._score_stream import ScoreStream
from lamina_detect.model._shapes import LEAST_VISITS, Shapes
from lamina_detect.model._whitening import Whitening
from lamina_detect.recordings import Recording

# 1: the density alone, one score. Read, and scored as it was.
FORMAT, FORMATS = 2, (1, 2)
# Samples that are run together. It is a part of what a score is: products of other lengths round
# differently (docs/detection.md).
BLOCK = 4096

Progress = Callable[[int, int], object]


class Part(NamedTuple):
    """Samples, and what the experts that score them have learned."""

    samples: Sequence[np.ndarray]
    experts: Sequence[Learned]
    relation: Whitening | None


class Detector:
    """Unsupervised detection of what is unusual in a recording.

    Several experts look at a period of it, each in its own way: is there a shape like this one, do
    its details vary as usual, is it as lively. Each score becomes the probability of a score so
    high, by what was learned; their mean is the score. See docs/detection.md.

    Args:
        window: Samples that are looked at together: a period, found from the data, by default.
        shapes: The most shapes that a lead's codebook holds.
        components: Coordinates of a window of the density.
        seed: Of everything random. The same seed and recording give the same model.
        window_of_period: The density's window, in periods.
        cutoff_of_period: Of a rhythm of at least a thousand periods, which the density alone
            judges: what is slower is wander, not shape. In cycles per period.
        gate_clipped: Whether clipped stretches are given no score.
    """

    def __init__(
        self,
        window: int | None = None,
        shapes: int = 200,
        components: int = 8,
        seed: int = 0,
        window_of_period: float = 0.65,
        cutoff_of_period: float = 0.6,  # 0.7 Hz at 70 beats per minute
        gate_clipped: bool = True,
    ) -> None:
        wanted = {"shapes": shapes, "components": components}
        for name, value in (wanted if window is None else {**wanted, "window": window}).items():
            if not isinstance(value, int) or value < 1:
                raise BadInput(f"`{name}` must be a positive whole number. Received: {value!r}")
        if window is not None and window <= components:
            raise BadInput(
                f"`window` must be longer than the {components} components. Received: {window}"
            )
        for name, part in dict(window=window_of_period, cutoff=cutoff_of_period).items():
            if not part > 0:
                raise BadInput(f"`{name}_of_period` must be above 0. Received: {part!r}")
        self.window = window
        self.shapes = shapes
        self.components = components
        self.seed = seed
        self.window_of_period = window_of_period
        self.cutoff_of_period = cutoff_of_period
        self.gate_clipped = gate_clipped
        self.codebooks: list[Shapes] | None = None
        self.experts: list[Learned] | None = None
        self.scorer: keras.Model | None = None
        self.model: keras.Model | None = None
        self._compiled: dict[int, lamina.Stream] = {}

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the model was made with; read only."""
        self._check_fitted()
        return types.MappingProxyType(self.scorer.get_layer("scores").settings)

    @property
    def threshold(self) -> float | None:
        """The score from which on a window is an alarm; saved with the model. None if not set."""
        return self.settings.get("threshold")

    @threshold.setter
    def threshold(self, value: float) -> None:
        self._check_fitted()
        self.scorer.get_layer("scores").keep(threshold=float(value))

    @property
    def tail(self) -> tuple[float, float, int] | None:
        """How high usual causal scores are, as `results.Tail`; saved with the model."""
        known = self.settings.get("tail")
        return known and tuple(known)

    @tail.setter
    def tail(self, value: Sequence[float]) -> None:
        self._check_fitted()
        self.scorer.get_layer("scores").keep(tail=list(value))

    @property
    def delay(self) -> int:
        """Samples after which the retrospective score of a sample is known."""
        known = self.settings
        return 0 if known["format"] == 1 else known["window"] - 1

    def fit(
        self,
        recording: Recording | np.ndarray | Iterable[Recording],
        to_score: Recording | np.ndarray | None = None,
    ) -> "Detector":
        """Learn from a `Recording` (or an array) what is usual. Returns the detector.

        From several recordings of the same leads and rate it learns one model for all: from some
        stretches of each, drawn by the hash of its name, so that their order does not matter.

        Leads that are constant in it are left out: `settings["left_out"]`; if all are, those stay
        that change in `to_score`.

        Args:
            recording: What to learn from; or an iterable of recordings.
            to_score: What is then to be scored, if that is another recording. It shows the period,
                which a short training part need not, and how long a window may be. And no anomaly
                is expected in `recording` then: what came once in it is usual.
        """
        if not isinstance(recording, Recording | np.ndarray):
            recording = pooled(recording)
        recording = _as_recording(recording)
        pieces = _fit.fitting_pieces(recording)
        shown, length = None, None
        if to_score is not None:
            to_score = _as_recording(to_score)
            _check_leads(to_score, recording.leads)
            shown, length = _fit.fitting_pieces(to_score), to_score.length
        used = _fit.find_used(recording, pieces, shown)
        pieces = [piece[:, used] for piece in pieces]
        shown = shown and [piece[:, used] for piece in shown]
        scale = _fit.find_scale(
            recording, shown or pieces, self.window, self.window_of_period, length
        )
        settings = self._new_settings(recording, used, scale)
        settings["visits"] = 1 if to_score is not None else LEAST_VISITS
        learn = self._fit_density if scale.rhythm else self._fit_experts
        self.scorer = learn(recording, pieces, scale, settings, shown)
        self.model = build_model(recording.packing, self.scorer, used)
        return self

    def _fit_density(
        self,
        recording: Recording,
        pieces: list[np.ndarray],
        scale: _fit.Scale,
        settings: dict[str, Any],
        shown: list[np.ndarray] | None,
    ) -> keras.Model:
        front = build_front(len(settings["leads"]), self.cutoff_of_period / scale.period)
        scorer = build_density_scorer(front, settings)
        self._assign_scale(scorer, pieces, scale, shown)
        filtered = _outputs(front, pieces)
        gate = scorer.get_layer("steady")
        factors = _outputs(keras.Model(scorer.input, gate.output), pieces)
        self.codebooks = _fit.learn(recording, filtered, factors, settings)
        assign_codebooks(scorer, self.codebooks)
        self._compiled = {}
        return scorer

    def _fit_experts(
        self,
        recording: Recording,
        pieces: list[np.ndarray],
        scale: _fit.Scale,
        settings: dict[str, Any],
        shown: list[np.ndarray] | None,
    ) -> keras.Model:
        scorer = build_scorer(settings)
        centre, spread = self._assign_scale(scorer, pieces, scale, shown)
        standard = [((piece - centre) / spread).astype("float32") for piece in pieces]
        signals = _fit.signals_of(standard)
        if lead := _fit.lacks_windows(signals, settings):
            raise BadInput(_fit.too_few(recording, lead, settings["window"]))
        self.experts = [learn_experts(signal, settings) for signal in signals]
        self.codebooks = [own.density for own in self.experts]
        self._compiled = {BLOCK: lamina.Stream(with_parts(scorer), jit_compile=True)}
        relation = learn_relation(signals, settings)
        parts = [Part(pieces, self.experts, relation)]
        if shown is not None:
            parts = self._halves(pieces, standard, settings) or parts
        self._learn_tails(scorer, parts, settings)
        assign_experts(scorer, self.experts, relation)
        return scorer

    def _halves(
        self,
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
        self, scorer: keras.Model, parts: Sequence[Part], settings: Mapping[str, Any]
    ) -> None:
        """How high each expert's scores are."""
        leads = len(settings["leads"])
        stream = ScoreStream(
            self._compiled[BLOCK], BLOCK, settings["window"] - 1, (list(range(leads)), leads)
        )
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
        self,
        scorer: keras.Model,
        pieces: list[np.ndarray],
        scale: _fit.Scale,
        shown: list[np.ndarray] | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        centre, spread = _fit.centre_and_scale(pieces, shown)
        standardise = scorer.get_layer("standardise")
        standardise.centre.assign(centre)
        standardise.scale.assign(spread)
        if self.gate_clipped:
            rails = _fit.rails_of(pieces, scale.period)
            for layer in scorer.layers:
                if isinstance(layer, ScoreGate):
                    layer.rails.assign(rails)
        return centre, spread

    def _new_settings(
        self, recording: Recording, used: list[int], scale: _fit.Scale
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
            "components": min(self.components, scale.window - 2),
            "shapes": self.shapes,
            "seed": self.seed,
        }
        if scale.rhythm:
            return settings
        settings |= _fit.windows_of(scale, self.window_of_period)
        every = settings["every"]
        lags = {name: settings[name] // every for name in ("window", "half", "density_window")}
        return settings | {
            "components": min(self.components, lags["density_window"] - 2),
            "directions": min(_fit.DIRECTIONS, lags["half"] - 1),
            "relation": min(_fit.DIRECTIONS, len(leads) * len(relation_lags(settings["half"])) - 1),
            "nearest": min(
                round(_fit.MORE_SHAPES * self.shapes), _fit.CODEBOOK_VALUES // lags["window"]
            ),
        }

    def score(
        self,
        recording: Recording | np.ndarray,
        progress: Progress | None = None,
        block: int = BLOCK,
    ) -> Scores:
        """A score for each sample of a `Recording` (or an array): `Scores`.

        Samples are run `block` at a time; another block size rounds differently.
        """
        recording = _as_recording(recording)
        samples, causal, late = zip(*self.score_blocks(recording, progress, block), strict=True)
        return Scores(
            np.concatenate(late),
            np.concatenate(samples),
            tuple(self.settings["leads"]),
            np.concatenate(causal),
        )

    def score_blocks(
        self,
        recording: Recording | np.ndarray,
        progress: Progress | None = None,
        block: int = BLOCK,
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """As `score`, piece by piece: yields `(samples, causal, retrospective)`, of the same
        samples. For recordings of any length."""
        recording = _as_recording(recording)
        self._check_fits(recording)
        stream = self.stream(block)
        # What waits for its retrospective score.
        samples = np.zeros((0, len(stream.used)), "float32")
        causal = np.zeros((0, len(stream.used) + 1), "float32")
        for start in range(0, recording.length, block):
            x = recording.read(start, min(start + block, recording.length))
            new, late = stream.push(x[None])
            if start + len(x) == recording.length:
                late = np.concatenate([late, stream.finish()])
            samples = np.concatenate([samples, x[:, stream.used]])
            causal = np.concatenate([causal, new])
            count = len(late)
            yield samples[:count], causal[:count], late
            samples, causal = samples[count:], causal[count:]
            if progress:
                progress(start + len(x), recording.length)

    def stream(self, block: int = BLOCK) -> ScoreStream:
        """Both scores as samples come: a `ScoreStream`.

        To the bit those of `score`, however the samples are cut.
        """
        self._check_fitted()
        if block not in self._compiled:
            # With what `explain` needs, so that one compiled function does all.
            self._compiled[block] = lamina.Stream(with_parts(self.scorer), jit_compile=True)
        known = self.settings
        used = known.get("used", list(range(len(known["leads"]))))
        leads = len(used) + len(known.get("left_out", ()))
        return ScoreStream(self._compiled[block], block, self.delay, (used, leads))

    def explain(self, recording: Recording | np.ndarray, sample: int) -> tuple[str, str]:
        """`(expert, lead)`: which expert found a sample most unusual, and in which lead."""
        recording, known = _as_recording(recording), self.settings
        window = known["window"]
        start, stop = max(0, sample - window - 1), min(recording.length, sample + window)
        x = recording.read(start, stop)
        stream = self.stream(BLOCK)
        if known["format"] == 1 or len(known["experts"]) == 1:
            values = stream.push(x[None]).causal[sample - start, :-1]
            expert, lead = "density", int(np.nan_to_num(values).argmax())
        else:
            gap = np.full((stream.delay, stream.leads), np.nan, "float32")
            late = np.concatenate([stream.parts(part)[3] for part in (x, gap)])
            experts, leads = known["experts"], len(known["leads"])
            each = np.nan_to_num(late[sample - start]).reshape(len(experts), leads)
            each = each * np.array([[EXPERTS[name]] for name in experts])
            best = int(each.max(1).argmax())
            # The relation is that of all leads: the one that stands out most by itself is named.
            own = each[[name != "relation" for name in experts]].sum(0)
            expert = experts[best]
            lead = int((own if expert == "relation" else each[best]).argmax())
        return expert, known["leads"][lead]

    def export(self, path: str | os.PathLike[str], format: str = "litert") -> None:
        """Write the causal score as one file for `lamina_edge`, which needs no Keras.

        See `lamina.Stream.export`.
        """
        self._check_fitted()
        scores = self.scorer.get_layer("scores").output
        lamina.Stream(keras.Model(self.scorer.inputs, scores)).export(path, format)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model, from stored bytes (or samples) to scores, as a `.keras` file."""
        self._check_fitted()
        self.model.save(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Detector":
        """A saved detector. Runs no code from the file."""
        try:
            model: Any = keras.saving.load_model(path, compile=False, safe_mode=True)
            scorer = scorer_of(model)
            settings = scorer.get_layer("scores").settings
        except Exception as error:
            raise BadInput(f"{path}: not a saved detector: {first_line(error)}") from None
        if settings.get("format") not in FORMATS:
            raise BadInput(
                f"{path}: a model of version {settings.get('format')}; this one reads 1 to {FORMAT}"
            )
        new = cls(settings["window"], settings["shapes"], settings["components"], settings["seed"])
        new.scorer, new.model = scorer, model
        return new

    def _check_fitted(self) -> None:
        if self.scorer is None:
            raise BadInput("The detector has learned nothing yet: call `fit` or `Detector.load`.")

    def _check_fits(self, recording: Recording) -> None:
        known = self.settings
        _check_leads(recording, [*known["leads"], *known.get("left_out", ())])
        if known["rate"] and recording.rate and known["rate"] != recording.rate:
            raise BadInput(
                f"{recording.name} has {recording.rate:g} samples per second; the model was made "
                f"for {known['rate']:g}"
            )
        units = list(recording.units)
        if any(known["units"]) and any(units) and known["units"] != units:
            raise BadInput(
                f"{recording.name} is in {', '.join(units)}; the model was made for "
                f"{', '.join(known['units'])}"
            )
        if recording.length < known["window"]:
            raise BadInput(
                f"{recording.name}: {recording.length} samples are fewer than one window of "
                f"{known['window']}"
            )


def _check_leads(recording: Recording, expected: Sequence[str]) -> None:
    if len(recording.leads) != len(expected):
        raise BadInput(
            f"{recording.name} has {len(recording.leads)} leads; the model was made for "
            f"{len(expected)}: {', '.join(expected)}"
        )


def _outputs(model: keras.Model, pieces: list[np.ndarray]) -> list[np.ndarray]:
    """What the model makes of each piece `(samples, leads)`."""
    return [
        np.asarray(keras.ops.convert_to_numpy(model(piece[None].astype("float32"))))[0]
        for piece in pieces
    ]


def _as_recording(recording: Recording | np.ndarray) -> Recording:
    if isinstance(recording, Recording):
        return recording
    return Recording.from_array(recording)
