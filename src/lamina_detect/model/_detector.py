"""`Detector`: learns what is usual in a recording, and scores what is not."""

import os
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

import lamina
from lamina_detect._common import BadInput, Scores, first_line
from lamina_detect.model import _fit
from lamina_detect.model._build import (
    assign_codebooks,
    build_front,
    build_model,
    build_scorer,
    gate_of,
    scorer_of,
)
from lamina_detect.model._score_stream import ScoreStream
from lamina_detect.model._shapes import Shapes
from lamina_detect.recordings import Recording

FORMAT = 1
# Samples that are run together. It is a part of what a score is: products of other lengths round
# differently (docs/detection.md).
BLOCK = 4096

Progress = Callable[[int, int], object]


class Detector:
    """Unsupervised, causal detection of unusual shapes in a recording.

    Args:
        window: Samples that are looked at together; `window_of_period` of a period, found from the
            data, by default.
        shapes: The most shapes that a lead's codebook holds.
        components: Coordinates of a window.
        seed: Of everything random. The same seed and recording give the same model.
        window_of_period: The window, in periods.
        cutoff_of_period: What is slower is wander, not shape: in cycles per period.
        gate_clipped: Whether clipped stretches are given no score.

    The defaults were chosen on four MIT-BIH records: docs/detection.md has the tables.
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
        self.scorer: keras.Model | None = None
        self.model: keras.Model | None = None

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
        self.scorer.get_layer("scores").set_threshold(float(value))

    def fit(self, recording: Recording | np.ndarray) -> "Detector":
        """Learn from a `Recording` (or an array) what is usual. Returns the detector."""
        recording = _as_recording(recording)
        pieces = _fit.fitting_pieces(recording)
        _fit.check_samples(recording, pieces)
        scale = _fit.find_scale(recording, pieces, self.window, self.window_of_period)
        settings = self._new_settings(recording, scale)
        cutoff = None if scale.level else self.cutoff_of_period / scale.period
        front = build_front(len(recording.leads), cutoff)
        scorer = build_scorer(front, settings)
        standardise, gate = front.get_layer("standardise"), gate_of(scorer)
        centre, spread = _fit.centre_and_scale(pieces)
        standardise.centre.assign(centre)
        standardise.scale.assign(spread)
        if self.gate_clipped:
            gate.rails.assign(_fit.rails_of(pieces, scale.period))
        filtered = _outputs(front, pieces)
        factors = _outputs(keras.Model(scorer.input, gate.output), pieces)
        self.codebooks = _fit.learn(recording, filtered, factors, settings)
        assign_codebooks(scorer, self.codebooks, scale.level)
        self.scorer = scorer
        self.model = build_model(recording.packing, scorer)
        return self

    def _new_settings(self, recording: Recording, scale: _fit.Scale) -> dict[str, Any]:
        # A model whose level counts has no high-pass to settle.
        settle = 0 if scale.level else round(_fit.SETTLE_OF_PERIOD * scale.period)
        return {
            "format": FORMAT,
            "leads": list(recording.leads),
            "units": list(recording.units),
            "rate": recording.rate,
            "window": int(scale.window),
            "period": float(scale.period),
            "level": bool(scale.level),
            "settle": settle,
            # A window without its mean has one direction less, and one must be left out.
            "components": min(self.components, scale.window - 2),
            "shapes": self.shapes,
            "seed": self.seed,
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
        samples, values = zip(*self.score_blocks(recording, progress, block), strict=True)
        return Scores(np.concatenate(values), np.concatenate(samples), tuple(recording.leads))

    def score_blocks(
        self,
        recording: Recording | np.ndarray,
        progress: Progress | None = None,
        block: int = BLOCK,
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """As `score`, piece by piece: yields `(samples, values)`. For recordings of any length."""
        recording = _as_recording(recording)
        self._check_fits(recording)
        stream = self.stream(block)
        for start in range(0, recording.length, block):
            x = recording.read(start, min(start + block, recording.length))
            yield x, stream.push(x[None])[0]
            if progress:
                progress(start + len(x), recording.length)

    def stream(self, block: int = BLOCK) -> ScoreStream:
        """Scores as samples come: `push((1, n, leads)) -> (1, n, leads + 1)`, a `ScoreStream`.

        To the bit those of `score`, however the samples are cut.
        """
        self._check_fitted()
        return ScoreStream(self.scorer, block)

    def export(self, path: str | os.PathLike[str], format: str = "litert") -> None:
        """Write the scoring of one sample as one file for `lamina_edge`, which needs no Keras.

        See `lamina.Stream.export`.
        """
        self._check_fitted()
        lamina.Stream(self.scorer).export(path, format)

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
        if settings.get("format") != FORMAT:
            raise BadInput(
                f"{path}: a model of version {settings.get('format')}; this one reads {FORMAT}"
            )
        new = cls(settings["window"], settings["shapes"], settings["components"], settings["seed"])
        new.scorer, new.model = scorer, model
        return new

    def _check_fitted(self) -> None:
        if self.scorer is None:
            raise BadInput("The detector has learned nothing yet: call `fit` or `Detector.load`.")

    def _check_fits(self, recording: Recording) -> None:
        known = self.settings
        if len(recording.leads) != len(known["leads"]):
            raise BadInput(
                f"{recording.name} has {len(recording.leads)} leads; the model was made for "
                f"{len(known['leads'])}: {', '.join(known['leads'])}"
            )
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
